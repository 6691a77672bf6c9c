import type { Dispatcher } from 'undici'
import type { Clock } from '../core/clock.ts'
import { OriginError } from '../core/errors.ts'
import { maxErrorBodyBytes } from './distribution-error.ts'
import { bodyError } from './network-error.ts'
import { minBytesPerSecond, RateWatch, rateWindowMs } from './rate-watch.ts'
import { printUrl } from './redirect-policy.ts'

/** Bodies that nobody wants are read up to this length, so that their connection can be used again. */
const maxDiscardedBytes = 64 * 1024
/** A body that nobody begins to read within this time, in milliseconds, is taken for forgotten. */
const forgottenMs = 60_000

/**
 * An answer whose body is still to come. Read the body, or {@link HttpResponse.discard} it: until then it holds a
 * connection.
 */
export class HttpResponse {
  readonly status: number
  /** Where the answer came from, after redirects. */
  readonly url: URL
  readonly #headers: Dispatcher.ResponseData['headers']
  readonly #body: Dispatcher.ResponseData['body']
  readonly #clock: Clock
  readonly #signal: AbortSignal
  readonly #closed: Promise<void>
  readonly #cancelTimer: () => void

  /** @param signal - what breaks off the body; its reason is then the error */
  constructor(answer: Dispatcher.ResponseData, url: URL, clock: Clock, signal: AbortSignal) {
    this.status = answer.statusCode
    this.url = url
    this.#headers = answer.headers
    this.#body = answer.body
    this.#clock = clock
    this.#signal = signal
    // Whoever reads the body sees its errors; nobody else is to be killed by them.
    this.#body.on('error', () => {})
    this.#closed = new Promise((resolve) => this.#body.once('close', resolve))
    this.#cancelTimer = clock.after(forgottenMs, () => this.#body.destroy(this.#forgotten()))
    void this.#closed.then(this.#cancelTimer)
  }

  /** Resolves when the body has ended, broken off or been given up. */
  get closed(): Promise<void> {
    return this.#closed
  }

  /** The first value of a header. */
  header(name: string): string | undefined {
    return this.headers(name)[0]
  }

  /** All values of a header. */
  headers(name: string): readonly string[] {
    const value = this.#headers[name]
    return value === undefined ? [] : typeof value === 'string' ? [value] : value
  }

  /** `Content-Length`, in bytes, where there is one. */
  get lengthBytes(): number | undefined {
    const text = this.header('content-length')
    return text !== undefined && /^\d{1,16}$/.test(text) ? Number(text) : undefined
  }

  /**
   * The body as it arrives. Leaving the loop early breaks the connection.
   * @throws {@link OriginError} `ERR_ORIGIN_TRUNCATED` when it breaks off, `ERR_ORIGIN_TIMEOUT` when it is too slow
   */
  async *chunks(): AsyncGenerator<Uint8Array> {
    this.#cancelTimer()
    const watch = new RateWatch(this.#clock, () => this.#body.destroy(this.#tooSlow()))
    try {
      watch.waiting()
      for await (const chunk of this.#body as AsyncIterable<Uint8Array>) {
        watch.received(chunk.byteLength)
        yield chunk
        watch.waiting()
      }
    } catch (error) {
      this.#signal.throwIfAborted()
      throw bodyError(error, this.url)
    } finally {
      watch.stop()
      this.#body.destroy()
    }
  }

  /**
   * The whole body.
   * @throws {@link OriginError} `ERR_ORIGIN_SIZE` as soon as it is longer than `maxBytes`
   */
  async bytes(maxBytes: number): Promise<Uint8Array> {
    const read = await this.firstBytes(maxBytes + 1)
    if (read.byteLength <= maxBytes) return read
    throw new OriginError(
      'ERR_ORIGIN_SIZE',
      `${printUrl(this.url)} answers with more than ${maxBytes} bytes`,
    )
  }

  /** The body up to a length; the rest is given up. */
  async firstBytes(maxBytes: number): Promise<Uint8Array> {
    const chunks: Uint8Array[] = []
    let length = 0
    for await (const chunk of this.chunks()) {
      chunks.push(chunk.subarray(0, maxBytes - length))
      length += chunk.byteLength
      if (length >= maxBytes) break
    }
    return Buffer.concat(chunks)
  }

  /** The body of an error, up to what is worth reading; how it ends is of no interest. */
  async errorBody(): Promise<Uint8Array> {
    try {
      return await this.firstBytes(maxErrorBodyBytes)
    } catch {
      this.#signal.throwIfAborted()
      return new Uint8Array()
    }
  }

  /** Has done with a body that nobody wants; how it ends is of no interest. */
  async discard(): Promise<void> {
    if ((this.lengthBytes ?? 0) <= maxDiscardedBytes) {
      await this.firstBytes(maxDiscardedBytes).catch(() => {})
    } else {
      this.#body.destroy()
    }
  }

  /** Gives the body up at once, with its connection. */
  destroy(): void {
    this.#body.destroy()
  }

  /** A reader who comes after all may ask again. */
  #forgotten(): OriginError {
    return new OriginError(
      'ERR_ORIGIN_TRUNCATED',
      `nobody read the answer of ${printUrl(this.url)} for ${forgottenMs / 1000} s`,
    )
  }

  #tooSlow(): OriginError {
    const rate = `${minBytesPerSecond} bytes a second for ${rateWindowMs / 1000} s`
    return new OriginError('ERR_ORIGIN_TIMEOUT', `${printUrl(this.url)} sent less than ${rate}`)
  }
}
