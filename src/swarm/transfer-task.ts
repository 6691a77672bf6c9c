import { TransferError } from '../core/errors.ts'
import type { Origin } from '../core/origin.ts'
import type { BlobSession } from './blob-session.ts'
import type { FetchOptions, TransferProgress, TransferStats } from './transfer.ts'

/**
 * The callers who wait for one blob. They share its session: it loads while there is one of them, and each may leave
 * without the others noticing.
 */
export class TransferTask {
  readonly #session: BlobSession
  #callers = 0

  constructor(session: BlobSession) {
    this.#session = session
  }

  /** Joins for as long as the caller wants; returns what ends that. */
  join(origin: Origin | undefined): () => void {
    this.#callers++
    this.#session.want(origin)
    let left = false
    return () => {
      if (left) return
      left = true
      this.#callers--
      if (this.#callers === 0 && !this.#session.complete) this.#session.unwant()
    }
  }

  /** Resolves when the blob is whole and verified. */
  async finish(origin: Origin | undefined, options: FetchOptions): Promise<TransferStats> {
    const session = this.#session
    const { digest } = session
    const leave = this.join(origin)
    const stats = (): TransferStats => session.account.stats(session.now())
    const progress = (): void => tell(options, { type: 'blob:progress', digest, bytes: session.account.bytes })
    tell(options, { type: 'blob:started', digest, bytes: session.account.bytes })
    try {
      await waitFor(session, () => session.complete, { signal: options.signal, changed: progress })
      const final = stats()
      tell(options, { type: 'blob:completed', digest, stats: final })
      return final
    } finally {
      leave()
    }
  }
}

/** Waits until `done` holds; rejects when the session fails or is closed, or the signal aborts. */
export function waitFor(
  session: BlobSession,
  done: () => boolean,
  options: { signal?: AbortSignal | undefined; changed?: (() => void) | undefined } = {},
): Promise<void> {
  const { signal } = options
  return new Promise((resolve, reject) => {
    const look = (): boolean => {
      if (signal?.aborted) end(() => reject(signal.reason))
      else if (session.failure !== undefined) end(() => reject(session.failure))
      else if (done()) end(resolve)
      else if (session.closed) end(() => reject(closedError(session.digest)))
      else return false
      return true
    }
    const stop = session.audience.observe({
      changed: () => {
        if (!look()) options.changed?.()
      },
    })
    const onAbort = (): void => void look()
    function end(settle: () => void): void {
      stop()
      signal?.removeEventListener('abort', onAbort)
      settle()
    }
    signal?.addEventListener('abort', onAbort)
    look()
  })
}

function closedError(digest: string): TransferError {
  return new TransferError('ERR_SWARM_CLOSED', `the swarm was closed while ${digest} was on its way`)
}

/** Shows a caller how far things are. */
export function tell(options: FetchOptions, progress: TransferProgress): void {
  try {
    options.onProgress?.(progress)
  } catch {
    // A caller's display must not end its transfer, or that of others.
  }
}
