import type { Digest } from '../core/digest.ts'
import { OriginError, TransferError } from '../core/errors.ts'
import type { AbortOptions } from '../core/options.ts'
import type { Origin } from '../core/origin.ts'
import type { LinkId } from '../engine/session-event.ts'
import type { BitfieldMessage } from '../wire/messages.ts'
import { emptyCopy, type LinkEntry, type SwarmContext } from './swarm-context.ts'

/** How long holders have to answer before the origin is asked, once discovery is over, in milliseconds. */
const answerMs = 2000

/** How large a blob is, by whose word. */
export interface FoundSize {
  readonly sizeBytes: number
  /** The peer that said so; without one, the origin. */
  readonly link: LinkId | undefined
}

interface Search {
  readonly maxBytes: number
  readonly distrusted: ReadonlySet<LinkId>
  readonly unanswered: Set<LinkId>
  readonly found: (size: FoundSize) => void
  readonly silent: () => void
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

  /** A peer's answer, or word of a blob that nobody here has open. */
  receive(entry: LinkEntry, message: BitfieldMessage): void {
    for (const search of this.#searches.get(message.digest) ?? []) {
      const holds = message.complete || message.bits.byteLength > 0
      const { sizeBytes } = message
      if (holds && sizeBytes > 0 && sizeBytes <= search.maxBytes && !search.distrusted.has(entry.id)) {
        search.found({ sizeBytes, link: entry.id })
      } else if (search.unanswered.delete(entry.id) && search.unanswered.size === 0) {
        search.silent()
      }
    }
  }

  /** Asks a link that opened while a search is on. */
  attach(entry: LinkEntry): void {
    for (const [digest, searches] of this.#searches) {
      for (const search of searches) search.unanswered.add(entry.id)
      this.#ask(entry, digest)
    }
  }

  detach(link: LinkId): void {
    for (const searches of this.#searches.values()) {
      for (const search of searches) {
        if (search.unanswered.delete(link) && search.unanswered.size === 0) search.silent()
      }
    }
  }

  /**
   * @param settled - resolves when the first round of discovery for the blob is over
   * @param distrusted - peers whose word was wrong before
   * @throws {@link TransferError} `ERR_SWARM_NO_SOURCE` when nobody knows
   */
  async find(
    digest: Digest,
    request: {
      origin: Origin | undefined
      maxBytes: number
      settled: Promise<void>
      distrusted: ReadonlySet<LinkId>
    } & AbortOptions,
  ): Promise<FoundSize> {
    const fromPeers = await this.#askPeers(digest, request)
    if (fromPeers) return fromPeers
    const { origin } = request
    try {
      if (!origin || !this.#context.originAllowed) throw notAllowed
      const body = await origin.read({ offset: 0, length: 1 }, { signal: request.signal })
      for await (const chunk of body.chunks) if (chunk.byteLength > 0) break
      const { sizeBytes } = body
      if (sizeBytes === undefined) {
        throw new OriginError('ERR_ORIGIN_SIZE', `${origin.name} does not say how large ${digest} is: give its size`)
      }
      if (sizeBytes <= request.maxBytes) return { sizeBytes, link: undefined }
      throw new OriginError(
        'ERR_ORIGIN_SIZE',
        `${digest} has ${sizeBytes} bytes at ${origin.name}, and at most ${request.maxBytes} are accepted here`,
      )
    } catch (error) {
      if (request.signal?.aborted) throw request.signal.reason
      const why = error === notAllowed ? 'no origin may be asked' : `the origin failed: ${messageOf(error)}`
      throw new TransferError('ERR_SWARM_NO_SOURCE', `no peer has ${digest}, and ${why}`, { cause: error })
    }
  }

  #askPeers(
    digest: Digest,
    request: { maxBytes: number; settled: Promise<void>; distrusted: ReadonlySet<LinkId> } & AbortOptions,
  ): Promise<FoundSize | undefined> {
    const { signal, maxBytes, distrusted } = request
    return new Promise((resolve, reject) => {
      let settled = false
      let ended = false
      let cancelTimer = (): void => {}
      const end = (settle: () => void): void => {
        ended = true
        cancelTimer()
        signal?.removeEventListener('abort', onAbort)
        this.#remove(digest, search)
        settle()
      }
      const onAbort = (): void => end(() => reject(signal?.reason))
      const search: Search = {
        maxBytes,
        distrusted,
        unanswered: new Set(this.#context.links.keys()),
        found: (size) => end(() => resolve(size)),
        silent: () => {
          if (settled) end(() => resolve(undefined))
        },
      }
      signal?.addEventListener('abort', onAbort)
      if (signal?.aborted) return onAbort()
      this.#searches.set(digest, (this.#searches.get(digest) ?? new Set()).add(search))
      for (const entry of this.#context.links.values()) this.#ask(entry, digest)
      void request.settled.then(() => {
        if (ended) return
        settled = true
        if (search.unanswered.size === 0) search.silent()
        else cancelTimer = this.#context.clock.after(answerMs, () => end(() => resolve(undefined)))
      })
    })
  }

  #remove(digest: Digest, search: Search): void {
    const searches = this.#searches.get(digest)
    searches?.delete(search)
    if (searches?.size === 0) this.#searches.delete(digest)
  }

  #ask(entry: LinkEntry, digest: Digest): void {
    entry.link.send({ ...emptyCopy(digest, 0), wants: true })
  }
}

const notAllowed: unique symbol = Symbol('no origin')

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
