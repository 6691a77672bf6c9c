import { digestToBytes, hashBytes, type Digest } from '../core/digest.ts'

const utf8 = new TextEncoder()
/** Room for the frames that are sent most: a digest and a few numbers. */
const initialBytes = 64

/**
 * Writes the values of a payload, in order. It holds itself to the limits that readers check,
 * so that a bug here never looks like a malicious peer there: every method throws `RangeError` beyond them.
 */
export class ByteWriter {
  readonly #maxBytes: number
  #bytes: Uint8Array = new Uint8Array(initialBytes)
  #length = 0

  /** @param maxBytes - how much may be written in all */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  /** A whole number of at least `min` and at most `max`, in unsigned LEB128. */
  varint(value: number, max: number = Number.MAX_SAFE_INTEGER, min = 0): void {
    if (!Number.isInteger(value) || value < min || value > max) {
      throw new RangeError(`cannot send ${value}: it is not a whole number from ${min} to ${max}`)
    }
    let rest = value
    while (rest >= 0x80) {
      this.#append(0x80 | (rest % 0x80))
      rest = Math.floor(rest / 0x80)
    }
    this.#append(rest)
  }

  /** At least `min` and at most `max` bytes, after their length. */
  bytes(bytes: Uint8Array, max: number, min = 0): void {
    this.varint(bytes.byteLength, max, min)
    this.fixed(bytes, bytes.byteLength)
  }

  /** Exactly `length` bytes. */
  fixed(bytes: Uint8Array, length: number): void {
    if (bytes.byteLength !== length) {
      throw new RangeError(`cannot send ${bytes.byteLength} bytes where ${length} belong`)
    }
    this.#reserve(length)
    this.#bytes.set(bytes, this.#length)
    this.#length += length
  }

  /** Text of at most `max` bytes in UTF-8, after its length. */
  text(text: string, max: number): void {
    if (!text.isWellFormed()) throw new RangeError('cannot send a text with half a character')
    this.bytes(utf8.encode(text), max)
  }

  digest(digest: Digest): void {
    this.fixed(digestToBytes(digest), hashBytes)
  }

  /** At most `max` items, after their count. */
  list<T>(items: readonly T[], max: number, writeItem: (item: T) => void): void {
    this.varint(items.length, max)
    for (const item of items) writeItem(item)
  }

  /** What was written; not to be written to any more. */
  finish(): Uint8Array {
    return this.#bytes.subarray(0, this.#length)
  }

  #append(byte: number): void {
    this.#reserve(1)
    this.#bytes[this.#length++] = byte
  }

  #reserve(moreBytes: number): void {
    const needed = this.#length + moreBytes
    if (needed > this.#maxBytes) throw new RangeError(`cannot send more than ${this.#maxBytes} bytes at once`)
    if (needed <= this.#bytes.byteLength) return
    const grown = new Uint8Array(Math.max(needed, 2 * this.#bytes.byteLength))
    grown.set(this.#bytes.subarray(0, this.#length))
    this.#bytes = grown
  }
}
