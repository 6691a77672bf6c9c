import { createLibp2p, type Libp2p } from 'libp2p'

type Routing = Libp2p['contentRouting']
type Provider = ReturnType<Routing['findProviders']> extends AsyncIterable<infer Item> ? Item : never

/** Content routing that does what a test says. */
export class ScriptedRouter {
  /** What was provided, in order, as text of the keys. */
  readonly provided: string[] = []
  readonly cancelled: string[] = []
  /** What providing does; `take` says that a node took the record. */
  onProvide: (take: () => void) => Promise<void> = async (take) => take()
  onSearch: () => AsyncIterable<Provider> = async function* () {}

  /** A libp2p node that was never started, with this router. */
  async node(): Promise<Libp2p> {
    const taker = await createLibp2p({ start: false })
    const router = { [contentRouting]: this.#routing(taker) }
    return createLibp2p({ start: false, services: { router: () => router } })
  }

  #routing(taker: Libp2p): Pick<Routing, 'provide' | 'cancelReprovide' | 'findProviders'> {
    return {
      provide: async (key, options) => {
        this.provided.push(key.toString())
        const detail = { from: taker.peerId, messageType: 'ADD_PROVIDER' }
        await this.onProvide(() => options?.onProgress?.({ type: 'kad-dht:query:peer-response', detail }))
      },
      cancelReprovide: async (key) => void this.cancelled.push(key.toString()),
      findProviders: () => this.onSearch(),
    }
  }
}

/** By which libp2p recognises a service as a content router. */
const contentRouting = Symbol.for('@libp2p/content-routing')
