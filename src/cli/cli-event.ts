import type { ContainerEngine, Descriptor, Digest, TransferStats } from '../index.ts'

/** A line of output. With `--json` it is printed as it is here; field names and codes stay within a major version. */
export type CliEvent =
  | { readonly event: 'ready'; readonly peerId: string; readonly addresses: readonly string[]; readonly mirror?: string }
  | { readonly event: 'seeding'; readonly digest: Digest; readonly addresses: readonly string[] }
  | { readonly event: 'progress'; readonly digest: Digest; readonly bytes: TransferStats['bytes'] }
  | ({ readonly event: 'done'; readonly digest: Digest } & TransferStats)
  | InspectedEvent
  | { readonly event: 'withheld'; readonly repository?: string | undefined; readonly digest: Digest; readonly advice: string }
  | { readonly event: 'granted'; readonly grant: string; readonly issuer: string; readonly peerId: string; readonly match: string }
  | { readonly event: 'issuer'; readonly issuer: string }
  | ConfiguredEvent
  | { readonly event: 'error'; readonly code: string; readonly message: string }

/** What `inspect` prints. Sizes are in bytes. */
export interface InspectedEvent {
  readonly event: 'inspected'
  readonly reference: string
  /** Of what the reference named: an index, or the manifest itself. */
  readonly digest: Digest
  readonly manifest: Descriptor
  readonly config: Descriptor
  readonly layers: readonly Descriptor[]
  /** As `linux/arm64/v8`; absent where the image does not say. */
  readonly platform?: string | undefined
  /** All that the index offers; just the one where there is no index. */
  readonly platforms: readonly string[]
}

/** What `configure` prints. */
export interface ConfiguredEvent {
  readonly event: 'configured'
  readonly engine: ContainerEngine
  /** Whether nothing was written. */
  readonly dryRun: boolean
  /** Backups too; none when all is as it is to be. */
  readonly files: readonly ConfiguredFile[]
  /** What else to know or to do. */
  readonly notes: readonly string[]
}

/** A file that was written, or is to be. */
export interface ConfiguredFile {
  /** Below the folder that `--root` names. */
  readonly path: string
  readonly change: 'made' | 'changed' | 'removed'
  /** As `diff -u` shows it; with `--dry-run` only, and not of backups. */
  readonly diff?: string
}
