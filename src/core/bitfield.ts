/**
 * A fixed-size set of piece indexes with its wire form: one bit a piece, most significant bit first,
 * spare bits zero (as in BEP 3).
 * @public
 */
export class Bitfield {
  readonly size: number
  readonly #bytes: Uint8Array
  #count = 0

  constructor(size: number) {
    this.size = size
    this.#bytes = new Uint8Array(Math.ceil(size / 8))
  }

  /** How many pieces are in the set. */
  get count(): number {
    return this.#count
  }

  get complete(): boolean {
    return this.#count === this.size
  }

  /** Whether a piece is in the set. */
  has(index: number): boolean {
    return ((this.#bytes[index >> 3] ?? 0) & (0x80 >> (index & 7))) !== 0
  }

  /** Adds a piece; true when it was not there. */
  add(index: number): boolean {
    if (index < 0 || index >= this.size) return false
    const byte = this.#bytes[index >> 3] ?? 0
    const bit = 0x80 >> (index & 7)
    if ((byte & bit) !== 0) return false
    this.#bytes[index >> 3] = byte | bit
    this.#count++
    return true
  }

  /** Removes a piece; true when it was there. */
  delete(index: number): boolean {
    if (!this.has(index)) return false
    this.#bytes[index >> 3] = (this.#bytes[index >> 3] ?? 0) & ~(0x80 >> (index & 7))
    this.#count--
    return true
  }

  /** Adds every piece. */
  fill(): void {
    for (let index = 0; index < this.size; index++) this.add(index)
  }

  /** Removes every piece. */
  clear(): void {
    this.#bytes.fill(0)
    this.#count = 0
  }

  /** A copy that changes on its own. */
  clone(): Bitfield {
    const copy = new Bitfield(this.size)
    copy.#bytes.set(this.#bytes)
    copy.#count = this.#count
    return copy
  }

  /** The pieces in the set, ascending. */
  *indexes(): Generator<number> {
    for (let index = 0; index < this.size; index++) if (this.has(index)) yield index
  }

  /** The smallest index at or after `from` that is not in the set; `size` when there is none. */
  firstMissing(from = 0): number {
    let index = from
    while (index < this.size && this.has(index)) {
      // Whole bytes of ones are skipped: the in-order prefix of a large blob is asked for at each piece.
      index += (index & 7) === 0 && this.#bytes[index >> 3] === 0xff ? 8 : 1
    }
    return Math.min(index, this.size)
  }

  /** A copy of the wire form. */
  toBytes(): Uint8Array {
    return this.#bytes.slice()
  }

  /** Reads the wire form; `undefined` when its length is not that of `size` pieces or a spare bit is set. */
  static fromBytes(bytes: Uint8Array, size: number): Bitfield | undefined {
    if (bytes.byteLength !== Math.ceil(size / 8)) return undefined
    const spareBits = bytes.byteLength * 8 - size
    if (spareBits > 0 && ((bytes.at(-1) ?? 0) & ((1 << spareBits) - 1)) !== 0) return undefined
    const field = new Bitfield(size)
    field.#bytes.set(bytes)
    for (const byte of bytes) field.#count += bitCount(byte)
    return field
  }
}

function bitCount(byte: number): number {
  let count = 0
  for (let rest = byte; rest !== 0; rest &= rest - 1) count++
  return count
}
