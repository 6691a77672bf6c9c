import type { Clock } from '../core/clock.ts'
import type { Digest } from '../core/digest.ts'
import type { Logger } from '../core/log.ts'
import { LruMap } from '../core/lru-map.ts'
import type { LinkedPeer } from './shown-grants.ts'
import type { Authorize, BeforeSeed, SeedCandidate } from './sharing-options.ts'

const authorizeMs = 1000
const beforeSeedMs = 60_000
/** Blobs of which is remembered what `beforeSeed` said; of the others nothing is offered. */
const maxJudged = 65_536
/** Blobs of which is remembered what `authorize` said, for each link. */
const maxAuthorized = 4096

/** A blob, as the user's functions are asked about it. */
export interface HookedBlob {
  readonly digest: Digest
  readonly repositories: readonly string[]
}

/** What {@link SharingHooks} works with. */
export interface SharingHooksInit {
  readonly authorize: Authorize | undefined
  readonly beforeSeed: BeforeSeed | undefined
  readonly clock: Clock
  readonly logger: Logger
  /** An answer came: what was denied before may be allowed. */
  readonly onAnswer: (digests: readonly Digest[]) => void
}

/** The user's own functions, which may only narrow: until they say yes, it is no. */
export class SharingHooks {
  readonly #init: SharingHooksInit
  readonly #judged = new LruMap<Digest, boolean>(maxJudged)
  readonly #judging = new Map<Digest, Promise<boolean>>()
  readonly #authorized = new WeakMap<LinkedPeer, LruMap<Digest, boolean | Promise<boolean>>>()
  readonly #closed = new AbortController()

  constructor(init: SharingHooksInit) {
    this.#init = init
  }

  /** What `beforeSeed` said; `undefined` while it has not. */
  mayOffer(digest: Digest): boolean | undefined {
    return this.#init.beforeSeed ? this.#judged.get(digest) : true
  }

  /** The answer that `beforeSeed` owes about an image, if it does. */
  judging(digest: Digest): Promise<boolean> | undefined {
    return this.#judging.get(digest)
  }

  /** Asks `beforeSeed` about an image, unless all of it may be offered already; resolves to its answer. */
  judge(image: SeedCandidate): Promise<boolean> {
    const { beforeSeed, logger } = this.#init
    if (!beforeSeed || image.blobs.every(({ digest }) => this.#judged.get(digest))) return Promise.resolve(true)
    const underWay = this.#judging.get(image.digest)
    if (underWay) return underWay
    const stop = new AbortController()
    // In a turn of its own: a function that throws at once must not break off what we are doing.
    const answer = Promise.resolve().then(() => beforeSeed(image, { signal: stop.signal }))
    const judging = this.#inTime(answer, stop, beforeSeedMs)
      .catch((error: unknown) => {
        logger.warn('beforeSeed failed: the image is not offered', { digest: image.digest, error })
        return false
      })
      .then((yes) => {
        this.#judging.delete(image.digest)
        for (const { digest } of image.blobs) if (yes || !this.#judged.get(digest)) this.#judged.set(digest, yes)
        this.#init.onAnswer(image.blobs.map(({ digest }) => digest))
        return yes
      })
    this.#judging.set(image.digest, judging)
    return judging
  }

  /** Whether `authorize` has said yes. The first time it is asked, and until it has answered it has not. */
  isAuthorized(entry: LinkedPeer, blob: HookedBlob): boolean {
    return this.#init.authorize === undefined || this.#authorization(entry, blob) === true
  }

  /** The answer that `authorize` owes, if it does. */
  pending(entry: LinkedPeer, blob: HookedBlob): Promise<boolean> | undefined {
    if (this.#init.authorize === undefined) return undefined
    const answer = this.#authorization(entry, blob)
    return typeof answer === 'boolean' ? undefined : answer
  }

  close(): void {
    this.#closed.abort()
  }

  #authorization(entry: LinkedPeer, { digest, repositories }: HookedBlob): boolean | Promise<boolean> {
    const { authorize, logger, onAnswer } = this.#init
    if (!authorize) return true
    const answers = this.#authorized.get(entry) ?? new LruMap(maxAuthorized)
    this.#authorized.set(entry, answers)
    const known = answers.get(digest)
    if (known !== undefined) return known
    const { peerId } = entry.link
    const named = repositories.filter((name) => name !== '')
    const failed = (error: unknown): boolean => {
      logger.warn('authorize failed: the peer is denied', { peer: peerId, digest, error })
      return false
    }
    const stop = new AbortController()
    let answer: boolean | Promise<boolean>
    try {
      answer = authorize({ peerId, digest, repositories: named }, { signal: stop.signal })
    } catch (error) {
      answer = failed(error)
    }
    // Who is answered at once needs not be told twice.
    if (typeof answer === 'boolean') {
      answers.set(digest, answer)
      return answer
    }
    const asked = this.#inTime(answer, stop, authorizeMs)
      .catch(failed)
      .then((yes) => {
        answers.set(digest, yes)
        onAnswer([digest])
        return yes
      })
    answers.set(digest, asked)
    return asked
  }

  /** Only `true` is a yes. */
  async #inTime(answer: unknown, stop: AbortController, limitMs: number): Promise<boolean> {
    const late = Promise.withResolvers<never>()
    const end = (): void => {
      stop.abort(new DOMException('no answer in time', 'TimeoutError'))
      late.reject(stop.signal.reason)
    }
    const cancel = this.#init.clock.after(limitMs, end)
    this.#closed.signal.addEventListener('abort', end, { once: true })
    try {
      return (await Promise.race([answer, late.promise])) === true
    } finally {
      cancel()
      this.#closed.signal.removeEventListener('abort', end)
    }
  }
}
