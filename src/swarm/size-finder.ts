import type { Digest } from '../core/digest.ts'
import { OriginError, TransferError } from '../core/errors.ts'
import type { AbortOptions } from '../core/options.ts'
import type { Origin } from '../core/origin.ts'
import type { LinkId } from '../engine/session-event.ts'
import type { BitfieldMessage } from '../wire/messages.ts'
import { OneLease } from './one-lease.ts'
import { emptyCopy, type LinkEntry, type SwarmContext } from './swarm-context.ts'

/** How long holders have to answer before the origin is asked, once discovery is over, in milliseconds. */
const answerMs = 1000
/** Likewise where no origin may be asked: a supernode that loads the blob for us needs longer, and nothing else is left. */
const onlyPeersMs = 3000

/** How large a blob is, by whose word. */
export interface FoundSize {
  readonly sizeBytes: number
  /** The peer that said so; without one, the origin, or bytes that match the digest. */
  readonly link: LinkId | undefined
  /** It took credentials to learn it. */
  readonly private: boolean
}

/** What to look for, and whom to ask. */
export interface SizeRequest extends AbortOptions {
  readonly origin: Origin | undefined
  readonly maxBytes: number
  /** Resolves when the first round of discovery for the blob is over. */
  readonly settled: Promise<void>
  /** Peers whose word was wrong before. */
  readonly distrusted: ReadonlySet<LinkId>
  /** Names under which it is wanted: who is asked sees our grants for them. */
  readonly repositories: readonly string[]
  /** Whether peers may be asked. */
  readonly asksLinks: boolean
}

interface Search {
  readonly maxBytes: number
  readonly distrusted: ReadonlySet<LinkId>
  readonly repositories: readonly string[]
  readonly asksLinks: boolean
  readonly unanswered: Set<LinkId>
  readonly found: (size: FoundSize) => void
  /** Everybody who was asked has answered; of interest when discovery is over. */
  silent: () => void
}

/**
 * Finds the size of a blob of which only the digest is known: what a holder says, else what the origin says. A peer's word is
 * checked by the digest in the end, like its bytes.
 */
export class SizeFinder {
  readonly #context: SwarmContext
  readonly #searches = new Map<Digest, Set<Search>>()

  constructor(context: SwarmContext) {
    this.#context = context
  }

  /** A peer's answer, or word of a blob that nobody here has open. Who asks the same as we do has not answered. */
  receive(entry: LinkEntry, message: BitfieldMessage): void {
    for (const search of this.#searches.get(message.digest) ?? []) {
      const holds = message.complete || message.bits.byteLength > 0
      const { sizeBytes } = message
      if (holds && sizeBytes > 0 && sizeBytes <= search.maxBytes && !search.distrusted.has(entry.id)) {
        search.found({ sizeBytes, link: entry.id, private: false })
      } else if (!message.wants && search.unanswered.delete(entry.id) && search.unanswered.size === 0) {
        search.silent()
      }
    }
  }

  /** The blob itself came. */
  arrived(digest: Digest, sizeBytes: number): void {
    for (const search of this.#searches.get(digest) ?? []) {
      if (sizeBytes <= search.maxBytes) search.found({ sizeBytes, link: undefined, private: false })
    }
  }

  /** Asks a link that opened while a search is on. */
  attach(entry: LinkEntry): void {
    for (const [digest, searches] of this.#searches) {
      const asking = [...searches].filter(({ asksLinks }) => asksLinks)
      for (const search of asking) search.unanswered.add(entry.id)
      if (asking.length > 0) this.#ask(entry, digest, asking.flatMap(({ repositories }) => repositories))
    }
  }

  detach(link: LinkId): void {
    for (const searches of this.#searches.values()) {
      for (const search of searches) {
        if (search.unanswered.delete(link) && search.unanswered.size === 0) search.silent()
      }
    }
  }

  /** @throws {@link TransferError} `ERR_SWARM_NO_SOURCE` when nobody knows */
  async find(digest: Digest, request: SizeRequest): Promise<FoundSize> {
    const { origin, signal } = request
    signal?.throwIfAborted()
    const found = Promise.withResolvers<FoundSize>()
    const search: Search = {
      maxBytes: request.maxBytes,
      distrusted: request.distrusted,
      repositories: request.repositories,
      asksLinks: request.asksLinks,
      unanswered: new Set(request.asksLinks ? this.#context.links.keys() : []),
      found: found.resolve,
      silent() {},
    }
    const stop = new AbortController()
    const onAbort = (): void => found.reject(signal?.reason)
    signal?.addEventListener('abort', onAbort, { once: true })
    this.#searches.set(digest, (this.#searches.get(digest) ?? new Set()).add(search))
    for (const entry of request.asksLinks ? this.#context.links.values() : []) this.#ask(entry, digest, request.repositories)
    try {
      // Peers may answer as long as the origin has not.
      const fromOrigin = this.#peersAnswered(request, search, stop.signal).then(() =>
        this.#askOrigin(digest, origin, request, stop.signal),
      )
      return await Promise.race([found.promise, fromOrigin])
    } catch (error) {
      if (signal?.aborted) throw signal.reason
      const why = error === notAllowed ? 'no origin may be asked' : `the origin failed: ${messageOf(error)}`
      throw new TransferError('ERR_SWARM_NO_SOURCE', `no peer has ${digest}, and ${why}`, { cause: error })
    } finally {
      stop.abort()
      signal?.removeEventListener('abort', onAbort)
      this.#remove(digest, search)
    }
  }

  /** The first round of discovery is over, and whoever was asked has answered or had the time. */
  async #peersAnswered({ settled, origin }: SizeRequest, search: Search, stop: AbortSignal): Promise<void> {
    await settled
    if (stop.aborted || search.unanswered.size === 0) return
    const { promise, resolve } = Promise.withResolvers<void>()
    const waitMs = origin && this.#context.originAllowed ? answerMs : onlyPeersMs
    const cancel = this.#context.clock.after(waitMs, resolve)
    search.silent = resolve
    stop.addEventListener('abort', () => resolve(), { once: true })
    await promise
    cancel()
  }

  /** One request, under a lease: others who look for the same size hear it from who got it. */
  async #askOrigin(digest: Digest, origin: Origin | undefined, { maxBytes, asksLinks }: SizeRequest, signal: AbortSignal): Promise<FoundSize> {
    if (!origin || !this.#context.originAllowed) throw notAllowed
    const lease = new OneLease(this.#context, digest)
    try {
      // Whoever were asked for leave would learn what we load.
      if (asksLinks) await lease.acquire(signal)
      this.#context.history.note(digest, { type: 'origin:asked', origin: origin.name, first: 0, count: 1, reason: 'size' })
      this.#context.reads(origin)
      const body = await origin.read({ offset: 0, length: 1 }, { signal })
      for await (const chunk of body.chunks) if (chunk.byteLength > 0) break
      this.#context.sharing.read(origin, body.usedCredentials)
      const { sizeBytes } = body
      if (sizeBytes === undefined) {
        throw new OriginError('ERR_ORIGIN_SIZE', `${origin.name} does not say how large ${digest} is: give its size`)
      }
      if (sizeBytes <= maxBytes) return { sizeBytes, link: undefined, private: body.usedCredentials }
      throw new OriginError(
        'ERR_ORIGIN_SIZE',
        `${digest} has ${sizeBytes} bytes at ${origin.name}, and at most ${maxBytes} are accepted here`,
      )
    } finally {
      lease.giveBack()
    }
  }

  #remove(digest: Digest, search: Search): void {
    const searches = this.#searches.get(digest)
    searches?.delete(search)
    if (searches?.size === 0) this.#searches.delete(digest)
  }

  #ask(entry: LinkEntry, digest: Digest, repositories: readonly string[]): void {
    this.#context.sharing.show(entry, repositories)
    entry.link.send({ ...emptyCopy(digest, 0), wants: true })
  }
}

const notAllowed: unique symbol = Symbol('no origin')

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
