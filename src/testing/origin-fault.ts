/**
 * A way in which an {@link EmbeddedOrigin} misbehaves. Fields combine; a field that is left out changes nothing.
 * @public
 */
export interface OriginFault {
  /** How many requests it meets. @defaultValue every one */
  times?: number | undefined
  /** Waits before it answers, in milliseconds. */
  delayMs?: number | undefined
  /** Answers with this status and `body` instead of what was asked for. */
  status?: number | undefined
  /** Of the answer with `status`. */
  body?: string | undefined
  /** Set on the answer over its own. */
  headers?: Readonly<Record<string, string | readonly string[]>> | undefined
  /** Sends the client there, with status 307. */
  redirectTo?: string | undefined
  /** Answers a range with the whole blob and status 200. */
  ignoreRange?: boolean | undefined
  /** Inverts every bit of the body. */
  wrongBytes?: boolean | undefined
  /** Breaks the connection after that many bytes of the body. */
  cutAfterBytes?: number | undefined
  /** Sends that many bytes more than the blob has, and says so in `Content-Length`. */
  extraBytes?: number | undefined
  /** Sends the body that slowly. */
  bytesPerSecond?: number | undefined
}

/** Faults by the paths that they meet; the first one that fits and is not used up wins. */
export class OriginFaults {
  readonly #entries: {
    readonly path: string | RegExp
    readonly fault: OriginFault
    left: number
  }[] = []

  /** Returns what takes the fault away again. */
  add(path: string | RegExp, fault: OriginFault): () => void {
    const entry = { path, fault, left: fault.times ?? Number.POSITIVE_INFINITY }
    this.#entries.push(entry)
    return () => {
      entry.left = 0
    }
  }

  /** The fault that a request meets. */
  take(path: string): OriginFault {
    const found = this.#entries.find((entry) => {
      const fits =
        typeof entry.path === 'string' ? path.includes(entry.path) : entry.path.test(path)
      return fits && entry.left > 0
    })
    if (!found) return {}
    found.left--
    return found.fault
  }
}
