/** How a bench starts several nodes in one process. */
export interface GroupSetup {
  /** What `import 'damselfly'` and `import 'damselfly/testing'` load. */
  readonly entry: string
  readonly testingEntry: string
  readonly folder: string
  readonly nodeCount: number
  /** The image that all of them fetch before they are ready; its registry runs in the group that is given no host of one. */
  readonly image?: { readonly layerSizes: readonly number[]; readonly registryHost?: string | undefined } | undefined
  /** Multiaddrs on which each listens. @defaultValue the library's */
  readonly listen?: readonly string[] | undefined
  /** Ways to find peers: all that the library has by default, or those that need no multicast. */
  readonly multicast: boolean
  /** Multiaddrs of nodes to begin with. */
  readonly bootstrap: readonly string[]
}

/** What a group tells its bench. */
export type FromGroup =
  | {
      readonly type: 'ready'
      /** Of all of its nodes. */
      readonly addresses: readonly string[]
      /** Host and port of the registry that runs here. */
      readonly registryHost: string | undefined
    }
  | { readonly type: 'counted'; readonly linkCounts: readonly number[] }

/** What a bench tells a group: to count links. */
export interface ToGroup {
  readonly type: 'count'
}

/** What the image of a group is called in its registry. */
export const groupImage = 'bench/app:v1'
