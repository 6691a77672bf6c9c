import { digestFromBytes, hashBytes, type Digest } from '../core/digest.ts'
import type { PeerError } from '../core/errors.ts'
import { limits } from './protocol.ts'
import { violation } from './violation.ts'

// A byte order mark is text like any other: dropped, the text would no longer be what was sent.
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * Reads the values of a payload, in order. Every length and count is checked against its limit before anything
 * is made of it, and what is returned is a copy: it keeps neither the payload nor the chunk behind it in memory.
 * Every method throws {@link PeerError} `ERR_PEER_PROTOCOL` on bytes that docs/spec/wire.md does not allow.
 */
export class ByteReader {
  readonly #bytes: Uint8Array
  #offset = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  /** A number of at least `min` and at most `max`, in unsigned LEB128 of the shortest form. */
  varint(max: number = Number.MAX_SAFE_INTEGER, min = 0): number {
    let value = 0
    let scale = 1
    for (let length = 1; length <= limits.varintBytes; length++) {
      const byte = this.#byte()
      // Not shifts: they end at 32 bits. Past 2^53 the sum rounds, but stays above `max`.
      value += (byte & 0x7f) * scale
      scale *= 0x80
      if (byte >= 0x80) continue
      if (byte === 0 && length > 1) throw this.#violation('a number is not in its shortest form')
      if (value < min || value > max) throw this.#violation(`a number is not from ${min} to ${max}`)
      return value
    }
    throw this.#violation(`a number is longer than ${limits.varintBytes} bytes`)
  }

  /** At least `min` and at most `max` bytes, after their length. */
  bytes(max: number, min = 0): Uint8Array {
    return this.fixed(this.varint(max, min))
  }

  /** Exactly `length` bytes. */
  fixed(length: number): Uint8Array {
    // Not slice(): a chunk may be a Buffer, whose slice is a view.
    return new Uint8Array(this.#take(length))
  }

  /** Text of at most `max` bytes in UTF-8, after its length. */
  text(max: number): string {
    const bytes = this.#take(this.varint(max))
    try {
      return utf8.decode(bytes)
    } catch (cause) {
      throw this.#violation('a text is not UTF-8', { cause })
    }
  }

  digest(): Digest {
    return digestFromBytes(this.#take(hashBytes))
  }

  /** At most `max` items, after their count. */
  list<T>(max: number, readItem: (from: ByteReader) => T): T[] {
    const items: T[] = []
    for (let left = this.varint(max); left > 0; left--) items.push(readItem(this))
    return items
  }

  /** Checks that nothing is left. */
  end(): void {
    const leftBytes = this.#bytes.byteLength - this.#offset
    if (leftBytes > 0) throw this.#violation(`${leftBytes} bytes are left over`)
  }

  #byte(): number {
    const byte = this.#bytes[this.#offset]
    if (byte === undefined) throw this.#violation('the payload is too short')
    this.#offset++
    return byte
  }

  #take(length: number): Uint8Array {
    const start = this.#offset
    if (length > this.#bytes.byteLength - start) throw this.#violation('the payload is too short')
    this.#offset += length
    return this.#bytes.subarray(start, this.#offset)
  }

  #violation(what: string, options?: ErrorOptions): PeerError {
    return violation(`${what} (at byte ${this.#offset} of a payload)`, options)
  }
}
