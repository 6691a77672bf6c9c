import type { ByteRange } from '../core/byte-range.ts'
import { LruMap } from '../core/lru-map.ts'

/** Bytes of slices that are kept for the next reader. */
const maxBytes = 16 * 1024 * 1024

type Read = (range: ByteRange) => Promise<Uint8Array>

/** Many readers of one blob move along it together: what one reads, the others get too, from one buffer that nobody changes. */
export class SharedSlices {
  readonly #read: Read
  readonly #slices = new LruMap<string, { readonly bytes: Promise<Uint8Array>; readonly length: number }>(maxBytes, ({ length }) => length)

  constructor(read: Read) {
    this.#read = read
  }

  read(range: ByteRange): Promise<Uint8Array> {
    const key = `${range.offset}+${range.length}`
    const known = this.#slices.get(key)
    if (known) return known.bytes
    const bytes = this.#read(range)
    this.#slices.set(key, { bytes, length: range.length })
    // What could not be read is not to be remembered so.
    bytes.catch(() => this.#slices.delete(key))
    return bytes
  }

  /** What was read is not what is there any more. */
  clear(): void {
    this.#slices.clear()
  }
}
