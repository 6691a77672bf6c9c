import type { Clock } from '../core/clock.ts'
import type { Logger } from '../core/log.ts'
import type { Random } from '../core/random.ts'
import type { DiscoveryPlugin } from '../discovery/discovery.ts'
import type { Metrics } from '../metrics/metrics.ts'
import type { Libp2pNode } from '../net/libp2p-node.ts'
import type { ManifestResolver } from '../oci/manifest-resolver.ts'
import type { PieceStore } from '../store/piece-store.ts'
import type { Authorize, BeforeSeed, SharingOptions } from './sharing-options.ts'

/**
 * Makes a closed network: of all nodes that have the key, of those on a list, or of those on the list that have the key.
 * @public
 */
export interface NetworkOptions {
  /** 32 random bytes, or 64 hex digits as `openssl rand -hex 32` prints them. Nodes without it cannot connect at all. */
  key?: Uint8Array | string | undefined
  /** Peer ids of the nodes that may connect; every connection of another one ends before any protocol runs. */
  allowPeers?: readonly string[] | undefined
}

/**
 * Where a node stands. Nearer peers are preferred.
 * @public
 */
export interface LocationOptions {
  region?: string | undefined
  zone?: string | undefined
  rack?: string | undefined
}

/**
 * Bounds on what a node uses.
 * @public
 */
export interface LimitOptions {
  /** Bytes of pieces in memory, over all blobs and peers: three quarters for those that arrive, the rest for those that are given. @defaultValue 64 MiB */
  memoryBytes?: number | undefined
  /** Links that are open at once. @defaultValue 64; 512 for a supernode */
  maxLinks?: number | undefined
  /**
   * Address ranges of machines that you run, like `10.0.0.0/8`. Limits per address and per prefix do not count there, and what peers say is there is
   * dialled on any port. Everybody is exempt from the limits in a closed network.
   * @defaultValue for the limits loopback and the private ranges, which strangers cannot come from; for dialling the networks that this node is in
   */
  trustedRanges?: readonly string[] | undefined
}

/**
 * Settings of `createSwarm`. All are optional.
 * @public
 */
export interface SwarmOptions {
  /** One line makes a closed fleet: members share everything and trust each other's piece hashes. @defaultValue open to all */
  network?: NetworkOptions | undefined
  /** Where bytes live. What you pass in, you close. @defaultValue the file system, under the user's cache directory */
  store?: PieceStore | undefined
  /** Turns references into layers. What you pass in, you close. @defaultValue anonymous, plus the user's docker and podman credentials */
  resolver?: ManifestResolver | undefined
  /** Your own libp2p node, started; it needs the identify service. What you pass in, you close. */
  libp2p?: Libp2pNode | undefined
  /** Multiaddrs to listen on; an empty list makes a node that only dials. @defaultValue `['/ip4/0.0.0.0/tcp/0']` */
  listen?: readonly string[] | undefined
  /** File with this node's private key, made with mode 0600 if absent, so that its peer id lasts. @defaultValue a new identity */
  identityFile?: string | undefined
  /**
   * File in which this node keeps whom it has banned, made with mode 0600; `false` forgets them with the process. Of nodes that share
   * it, the last to write wins. @defaultValue `bans.json` beside `identityFile`, else in the directory of the default store, else `false`
   */
  banFile?: string | false | undefined
  /** Ways to find peers. @defaultValue `[dht(), mdns()]` */
  discovery?: readonly DiscoveryPlugin[] | undefined
  /**
   * Multiaddrs of supernodes: preferred as trackers, as links, and as the ones to read from an origin. Everything works without
   * them. In a closed network every member that says it is one counts as such. @defaultValue none
   */
  supernodes?: readonly string[] | undefined
  /**
   * `supernode` for a long-lived node with room for many links: it loads for itself what it is asked for and does not have, so that it joins
   * networks that cannot reach each other. @defaultValue `'peer'`
   */
  role?: 'peer' | 'supernode' | undefined
  /**
   * Peer ids whose word on what pieces hash to is believed before the whole blob is verified, as that of supernodes is whose addresses end in
   * `/p2p/…`: readers of `streamLayer` get such pieces while the blob loads. In a closed network all members are believed. @defaultValue none
   */
  trustedIssuers?: readonly string[] | undefined
  location?: LocationOptions | undefined
  /** `never` for isolated networks: the origin is never asked. @defaultValue `'auto'` */
  origin?: 'auto' | 'never' | undefined
  /** Whom this node lets read what it has. @defaultValue what registries give to anybody is for all, the rest for members of a closed network */
  sharing?: SharingOptions | undefined
  /** Grants that were issued for this node, as text: it shows them when it asks for what they cover. @defaultValue none */
  grants?: readonly string[] | undefined
  /** Asked once for each peer and blob after the rules said yes; may only narrow. @defaultValue the rules decide */
  authorize?: Authorize | undefined
  /** Asked before anything of an image is offered to others: a scanner, a signature check. @defaultValue all may be */
  beforeSeed?: BeforeSeed | undefined
  limits?: LimitOptions | undefined
  /** Where figures go; docs/metrics.md lists them. @defaultValue nowhere */
  metrics?: Metrics | undefined
  /** @defaultValue a logger that says nothing */
  logger?: Logger | undefined
  /** @defaultValue the machine's clock */
  clock?: Clock | undefined
  /** What choices are drawn from; with one that draws the same again, and a clock that is told the time, a run can be repeated. @defaultValue another one each time */
  random?: Random | undefined
}
