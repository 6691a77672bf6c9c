import type { Digest } from '../core/digest.ts'
import { OriginError } from '../core/errors.ts'
import type { Origin } from '../core/origin.ts'
import type { PieceLayout } from '../core/piece-layout.ts'
import type { SessionEvent } from '../engine/session-event.ts'
import type { SessionState } from '../engine/session-state.ts'
import type { OriginReason } from './blob-history.ts'
import { OriginFetcher, type OriginPiece } from './origin-fetcher.ts'
import type { SwarmContext } from './swarm-context.ts'

/** What the origin's side of a session needs of it. */
export interface SessionOriginInit {
  readonly context: SwarmContext
  readonly digest: Digest
  readonly layout: PieceLayout
  readonly dispatch: (event: SessionEvent) => void
  readonly becomePrivate: () => Promise<void>
  /** Resolves when the piece is stored. */
  readonly keep: (piece: OriginPiece) => Promise<void>
}

/** One session's side of its origin: reads the runs that the engine decides on, and tells what came of them. */
export class SessionOrigin {
  /** The last failure, which explains why the session gave up if it does. */
  error: unknown
  readonly #init: SessionOriginInit
  readonly #fetcher: OriginFetcher
  #origin: Origin | undefined

  constructor(init: SessionOriginInit) {
    this.#init = init
    this.#fetcher = new OriginFetcher(init.layout)
  }

  get usable(): boolean {
    return this.#usable !== undefined
  }

  /** What it is called; `undefined` when it may not be asked. */
  get name(): string | undefined {
    return this.#usable?.name
  }

  /** The first caller who brings an origin decides which. */
  use(origin: Origin | undefined): void {
    this.#origin ??= origin
  }

  fetch({ run, first, count }: { run: number; first: number; count: number }, state: Readonly<SessionState>): void {
    const origin = this.#usable
    if (!origin) return
    const { context, digest, dispatch, becomePrivate, keep } = this.#init
    const reason = reasonOf(state)
    context.history.note(digest, { type: 'origin:asked', origin: origin.name, first, count, reason })
    context.reads(origin)
    this.#fetcher.start(run, first, count, origin, {
      waits: (durationMs) => {
        context.history.note(digest, { type: 'origin:waited', origin: origin.name, durationMs })
        dispatch({ type: 'origin:waits', run, durationMs })
      },
      moved: () => dispatch({ type: 'origin:moved', run }),
      answered: async ({ usedCredentials }) => {
        context.sharing.read(origin, usedCredentials)
        if (usedCredentials) await becomePrivate()
      },
      piece: keep,
      ended: () => dispatch({ type: 'origin:ended', run }),
      failed: (error) => this.#failed(run, origin, error),
    })
  }

  trim(run: number, count: number): void {
    this.#fetcher.trim(run, count)
  }

  stop(): void {
    this.#fetcher.stop()
  }

  /** Why it is not asked although it might be: what it gave a moment ago was wrong. */
  get wrongness(): unknown {
    const { context, digest } = this.#init
    return this.#origin && context.history.wrongOrigin(digest, this.#origin.name)
  }

  /** All that it gives is wrong. */
  wasWrong(): void {
    const { context, digest } = this.#init
    if (this.#origin) context.history.originWasWrong(digest, this.#origin.name, this.error)
  }

  get #usable(): Origin | undefined {
    return this.#init.context.originAllowed && this.wrongness === undefined ? this.#origin : undefined
  }

  #failed(run: number, origin: Origin, error: unknown): void {
    const { context, digest, dispatch } = this.#init
    this.error = error
    context.logger.info('the origin failed', { digest, origin: origin.name, error })
    const known = error instanceof OriginError ? error : undefined
    if (known?.status === 401 || known?.status === 403) context.sharing.refused(origin.name)
    const retryAfterMs = known?.retryAfterMs
    const code = known?.code ?? 'ERR_ORIGIN_UNAVAILABLE'
    context.history.note(digest, { type: 'origin:failed', origin: origin.name, code, retryAfterMs })
    dispatch({ type: 'origin:failed', run, retryable: known?.retryable ?? false, retryAfterMs })
  }
}

function reasonOf({ origin, lease }: Readonly<SessionState>): OriginReason {
  if (origin.only) return 'mismatch'
  return lease.number === 0 ? 'without-tracker' : 'leased'
}
