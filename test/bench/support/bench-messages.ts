/** A blob in the registry. */
export interface WantedBlob {
  readonly digest: string
  readonly sizeBytes: number
  readonly repository: string
}

/** How a bench starts a node. */
export interface NodeSetup {
  /** What `import 'damselfly'` loads. */
  readonly entry: string
  readonly storeDir: string
  /** Of the registry, which speaks plain HTTP: `10.77.0.1:5000`. */
  readonly registryHost: string
  /**
   * `default` leaves all to the library; `alone` makes a node that knows nobody and that nobody can reach; `told` one that listens on loopback
   * alone, and knows the others without multicast.
   */
  readonly way: 'default' | 'alone' | 'told'
  /** Of a node that is told: its own TCP port, and those of the others. */
  readonly port?: number | undefined
  readonly otherPorts?: readonly number[] | undefined
  readonly supernodes?: readonly string[] | undefined
  readonly origin?: 'auto' | 'never' | undefined
  /** Where it says that it stands. */
  readonly region?: string | undefined
}

/** What a bench tells a node. The channel closing means: go. */
export type ToNode =
  | {
      readonly type: 'pull'
      readonly blob: WantedBlob
      /** When the clock started: what it tells counts from then. */
      readonly goEpochMs: number
    }
  | { readonly type: 'check' }

/** What a node tells a bench. */
export type FromNode =
  | { readonly type: 'ready' }
  /** Told whenever it changes. */
  | { readonly type: 'links'; readonly count: number }
  | { readonly type: 'pulled'; readonly pull: NodePull }
  /** The blob was read back from the store, with nothing of the library: what it turned out to be. */
  | { readonly type: 'checked'; readonly digest: string }

/** How one node's pull went. Sizes are in bytes. */
export interface NodePull {
  readonly ms: number
  readonly originBytes: number
  readonly peerBytes: number
  /** How many peers gave some. */
  readonly peerCount: number
  readonly linkCount: number
  readonly cpuSeconds: number
}
