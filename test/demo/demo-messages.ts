import type { TransferStats } from '../../src/index.ts'

/** How the demo starts a node; its only argument, as JSON. */
export interface NodeSetup {
  readonly storeDir: string
  /** Host and port of the registry, which speaks plain HTTP. */
  readonly registryHost: string
  /** Multiaddrs of the node to begin with; none for the first one. */
  readonly bootstrap: readonly string[]
}

/** What the demo tells a node. Its end of the channel closing means: go. */
export type ToNode = { readonly type: 'pull'; readonly reference: string; readonly to: string }

/** What a node tells the demo. */
export type FromNode =
  | { readonly type: 'ready'; readonly addresses: readonly string[] }
  | { readonly type: 'progress'; readonly bytes: number }
  | { readonly type: 'pulled'; readonly digest: string; readonly stats: TransferStats; readonly mostGivers: number }
  | { readonly type: 'failed'; readonly message: string }
