/**
 * Peer-to-peer transfer of container-image layers, and of any blob named by a digest.
 *
 * Start with {@link createSwarm}; fetch with {@link Swarm.fetchImage} and {@link Swarm.fetchLayer}; keep bytes with {@link PieceStore} over a
 * {@link StorageBackend} of your own or one of ours.
 *
 * @packageDocumentation
 */

// The node
export { createSwarm } from './swarm/create-swarm.ts'
export { Swarm } from './swarm/swarm.ts'
export { swarmService } from './swarm/swarm-service.ts'
export type { ServiceComponents } from './net/service-node.ts'
export type { SwarmService } from './swarm/swarm-service.ts'
export type { LimitOptions, LocationOptions, NetworkOptions, SwarmOptions } from './swarm/swarm-init.ts'
export type {
  ByteCounts,
  FetchImageOptions,
  FetchManifestOptions,
  FetchOptions,
  LayerRequest,
  OpenRequest,
  PeerShare,
  TransferProgress,
  TransferStats,
} from './swarm/transfer.ts'
export type { OpenBlob } from './swarm/open-blob.ts'
export type {
  Authorize,
  BeforeSeed,
  SeedCandidate,
  SharingOptions,
  SharingRequest,
  SharingRule,
} from './swarm/sharing-options.ts'
export type { SharingAccess } from './trust/sharing-rules.ts'
export { grantIssuer, issueGrant, newGrantKey } from './net/grants.ts'
export type { GrantOptions } from './net/grants.ts'
export type { StoredBlob } from './swarm/stored-blob.ts'
export type { StoredImage } from './swarm/stored-image.ts'
export type { SeedHandle, SeedSource } from './swarm/seeding.ts'
export type { LinkStats, SwarmStats } from './swarm/swarm-stats.ts'
export type { ExplainedPeer, Explanation } from './swarm/explanation.ts'
export type { BanReason } from './trust/ban-list.ts'
export type { BlobHistoryEvent, OriginReason, TimedBlobEvent } from './swarm/blob-history.ts'
export type {
  BlobEvent,
  BlobStoredEvent,
  PeerBannedEvent,
  PeerEvent,
  PieceStoredEvent,
  SwarmEvents,
  WithheldEvent,
} from './swarm/swarm-events.ts'

export type { MetricLabels, Metrics } from './metrics/metrics.ts'
export type { MetricName } from './metrics/metric-names.ts'

// The mirror for container engines
export { RegistryMirror } from './mirror/registry-mirror.ts'
export type { RegistryMirrorOptions } from './mirror/registry-mirror.ts'
export type { WebHandler } from './mirror/web-handler.ts'
export { engineFolders, planEngineSetup, planEngineUndo } from './mirror/engine-plan.ts'
export type { EngineSetup } from './mirror/engine-plan.ts'
export type { ContainerEngine, EngineFiles, EnginePlan, FileChange } from './mirror/engine-files.ts'

// Where bytes live
export { PieceStore } from './store/piece-store.ts'
export { fsBackend } from './store/fs-backend.ts'
export { memoryBackend } from './store/memory-backend.ts'
export { fsScratch } from './store/fs-scratch.ts'
export { memoryScratch } from './store/memory-scratch.ts'
export type { FsStoreOptions } from './store/fs-directory.ts'
export type { MemoryBackendOptions } from './store/memory-backend.ts'
export type { MemoryScratchOptions } from './store/memory-scratch.ts'
export type { BlobSource, ReadOptions, StorageBackend } from './store/storage-backend.ts'
export type {
  BlobFacts,
  CommitFacts,
  ImportFileOptions,
  ImportOptions,
  PieceSource,
  PieceStoreOptions,
  StoredPart,
  StoreUsage,
  StreamOptions,
} from './store/piece-store.ts'
export type { BlobNotes, LeftPart, NoteKind, Scratch, ScratchFile, ScratchPart } from './store/scratch.ts'
export type { JournalRecord, PartState } from './store/journal.ts'

// Registries and other origins
export { ManifestResolver } from './oci/manifest-resolver.ts'
export type { Layer, ManifestResolverInit, ResolvedImage, ResolvedManifest, ResolveManifestOptions, ResolveOptions } from './oci/manifest-resolver.ts'
export type { ManifestBlob } from './oci/resolved-image.ts'
export { Registries } from './oci/registries.ts'
export type { Credentials, RegistriesInit } from './oci/registries.ts'
export type { FetchManifest, WantedManifest } from './oci/manifest-source.ts'
export { memoryManifestCache } from './oci/manifest-cache.ts'
export type { CachedManifest, ManifestCache } from './oci/manifest-cache.ts'
export type { RegistryOptions } from './oci/registry-settings.ts'
export type { CredentialProvider, CredentialTarget, RegistryAuth } from './oci/credential.ts'
export type { ImageIndex, ImageManifest, IndexEntry } from './oci/image-manifest.ts'
export { registryOrigin } from './oci/registry-origin.ts'
export type { RegistryOriginOptions } from './oci/registry-origin.ts'
export { httpOrigin } from './oci/http-origin.ts'
export type { HttpOriginOptions } from './oci/http-origin.ts'
export type { Origin, OriginBody } from './core/origin.ts'

// Ways to find peers
export { dht } from './discovery/dht-discovery.ts'
export { mdns } from './discovery/mdns-discovery.ts'
export { dns } from './discovery/dns-discovery.ts'
export { peers } from './discovery/static-discovery.ts'
export type { DhtOptions } from './discovery/dht-discovery.ts'
export type { MdnsOptions } from './discovery/mdns-discovery.ts'
export type { DnsOptions } from './discovery/dns-discovery.ts'
export type { Discovery, DiscoveryContext, DiscoveryPlugin, KnownPeer } from './discovery/discovery.ts'
export { networkKeyEncrypter, parseNetworkKey } from './net/network-key.ts'
export type { EncrypterFactory, NodeKey } from './net/libp2p-types.ts'
export type { Libp2pNode } from './net/libp2p-node.ts'

// Values
export { digestOf, isDigest, parseDigest } from './core/digest.ts'
export type { Digest } from './core/digest.ts'
export { parseReference, printReference } from './core/reference.ts'
export type { Reference } from './core/reference.ts'
export type { Descriptor, Platform } from './core/descriptor.ts'
export type { Bitfield } from './core/bitfield.ts'
export type { PieceLayout } from './core/piece-layout.ts'
export type { ByteRange } from './core/byte-range.ts'
export type { AbortOptions } from './core/options.ts'
export type { Clock } from './core/clock.ts'
export type { Random } from './core/random.ts'
export { Secret } from './core/secret.ts'
export type { Logger } from './core/log.ts'

// Errors
export {
  BlobNotFoundError,
  DigestMismatchError,
  OriginError,
  PeerError,
  RequestError,
  StoreError,
  SwarmError,
  TransferError,
} from './core/errors.ts'
export type {
  OriginErrorCode,
  OriginErrorOptions,
  PeerErrorCode,
  RequestErrorCode,
  StoreErrorCode,
  TransferErrorCode,
} from './core/errors.ts'
