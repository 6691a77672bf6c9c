import { createSwarm } from '../../src/swarm/create-swarm.ts'
import type { SwarmOptions } from '../../src/swarm/swarm-init.ts'
import type { Swarm } from '../../src/swarm/swarm.ts'
import { peers } from '../../src/discovery/static-discovery.ts'
import { ManifestResolver } from '../../src/oci/manifest-resolver.ts'
import { memoryBackend } from '../../src/store/memory-backend.ts'
import { PieceStore } from '../../src/store/piece-store.ts'
import type { EmbeddedOrigin } from '../../src/testing/embedded-origin.ts'

/** Real nodes on loopback for one test; all are closed with it. */
export class TestNodes implements AsyncDisposable {
  readonly #stack = new AsyncDisposableStack()

  /** A node that knows `others`, keeps its blobs in memory and may talk plain HTTP to `origin`. */
  async start(
    others: readonly Swarm[] = [],
    options: SwarmOptions & { origins?: readonly EmbeddedOrigin[]; credentials?: Record<string, { username: string; password: string }> } = {},
  ): Promise<Swarm> {
    const { origins = [], credentials, ...rest } = options
    const store = rest.store ?? this.#stack.use(await PieceStore.open(memoryBackend()))
    const registries = Object.fromEntries(origins.map(({ host }) => [host, { insecure: true as const }]))
    const resolver =
      rest.resolver ??
      this.#stack.adopt(new ManifestResolver({ registries, credentials: credentials ?? 'anonymous' }), (it) => it.close())
    const addresses = others.flatMap((other) => other.addresses)
    return this.#stack.use(
      await createSwarm({
        listen: ['/ip4/127.0.0.1/tcp/0'],
        discovery: addresses.length > 0 ? [peers(addresses)] : [],
        ...rest,
        store,
        resolver,
      }),
    )
  }

  use<Resource extends AsyncDisposable>(resource: Resource): Resource {
    return this.#stack.use(resource)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync()
  }
}

/** Resolves with the first event of a name whose detail passes. */
export function eventOf<Detail>(
  target: EventTarget,
  name: string,
  wanted: (detail: Detail) => boolean = () => true,
): Promise<Detail> {
  return new Promise((resolve) => {
    const listener = (event: Event): void => {
      const { detail } = event as CustomEvent<Detail>
      if (!wanted(detail)) return
      target.removeEventListener(name, listener)
      resolve(detail)
    }
    target.addEventListener(name, listener)
  })
}
