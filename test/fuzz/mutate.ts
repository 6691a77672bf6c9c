import type { Random } from '../../src/core/random.ts'
import { bytesOfText } from './decoder.ts'
import { mutateJson } from './mutate-json.ts'

/** Of what a mutation is made. */
export interface Material {
  readonly kind: 'binary' | 'text' | 'json'
  readonly words: readonly Uint8Array[]
  /** Valid encodings. */
  readonly pool: readonly Uint8Array[]
}

/** No mutation is longer, in bytes. */
const maxBytes = 8192
const hostileBytes = [0x00, 0x01, 0x1f, 0x20, 0x22, 0x2c, 0x2d, 0x2f, 0x3a, 0x40, 0x5c, 0x7f, 0x80, 0xbf, 0xc0, 0xed, 0xf4, 0xfe, 0xff] as const
/** Numbers at and past the ends of all that they are stored in. */
const binaryExtremes = [
  '00', '01', '7f', '80', 'ff', '8000', '8001', '8080808080808000', 'ffffffffffffff7f', 'ffffffffffffff0f', 'ffffffffffffffffff01',
  '808080808001', '0000ffff', '00010000', '7fffffff', '80000000', 'ffffffff', '001fffffffffffff', '0020000000000000', '7fffffffffffffff', 'ffffffffffffffff',
].map((hex) => Uint8Array.from(Buffer.from(hex, 'hex')))
const textExtremes = [
  '-1', '-0', '0', '00', '1', '1.5', '1e3', '1e309', '0x10', '9007199254740991', '9007199254740993', '18446744073709551616', '9'.repeat(17), '9'.repeat(40),
  'NaN', 'null', '\u0000', '\r\n', '\u202e', '\u{10ffff}', '\ufeff', '__proto__', 'constructor', '%2e%2e', '../', '[::1]', '"', '""', '\\', '\\"', ' ', '\t', ',', ';', '=', '*', '/', ':', '@',
].map(bytesOfText)

/** A case for a decoder: noise, or something valid with some damage done to it. */
export function drawCase(random: Random, material: Material): Uint8Array {
  const { pool, kind } = material
  const valid = pick(random, pool)
  if (random.below(8) === 0 || !valid) return noise(random, valid)
  let bytes: Uint8Array = valid
  if (kind === 'json' && random.below(3) > 0) bytes = mutateJson(random, bytes)
  if (kind === 'json' && random.below(3) > 0) return bytes.subarray(0, maxBytes)
  for (let damage = 1 + random.below(3); damage > 0; damage--) bytes = mutate(random, bytes, material)
  return bytes
}

function mutate(random: Random, bytes: Uint8Array, { kind, pool, words }: Material): Uint8Array {
  const at = random.below(bytes.byteLength + 1)
  const length = Math.min(random.below(random.below(3) === 0 ? 64 : 5) + 1, bytes.byteLength - at)
  const [head, part, tail] = [bytes.subarray(0, at), bytes.subarray(at, at + length), bytes.subarray(at + length)]
  switch (random.below(12)) {
    case 0:
      return changed(bytes, at, (byte) => byte ^ (1 << random.below(8)))
    case 1:
      return changed(bytes, at, () => pick(random, hostileBytes) ?? 0)
    case 2:
      return head
    case 3:
      return joined(head, tail)
    case 4:
      return joined(head, part, part, tail)
    case 5:
      return swapped(random, bytes)
    case 6:
      return spliced(random, head, pick(random, pool))
    case 7:
    case 8:
      return joined(head, extreme(random, kind), random.below(2) === 0 ? part : new Uint8Array(), tail)
    case 9:
      return joined(head, ...Array.from({ length: 2 ** random.below(10) }, () => part), tail)
    case 10:
      return joined(bytes, noise(random))
    default:
      return joined(head, pick(random, words) ?? extreme(random, kind), tail)
  }
}

function noise(random: Random, like?: Uint8Array): Uint8Array {
  const bytes = Uint8Array.from({ length: random.below(random.below(4) === 0 ? 600 : 60) }, () => random.below(256))
  return like && random.below(2) === 0 ? joined(like.subarray(0, random.below(like.byteLength + 1)), bytes) : bytes
}

function extreme(random: Random, kind: Material['kind']): Uint8Array {
  return pick(random, kind === 'binary' ? binaryExtremes : textExtremes) ?? new Uint8Array()
}

/** Two parts change places. */
function swapped(random: Random, bytes: Uint8Array): Uint8Array {
  const [a = 0, b = 0, c = 0] = [0, 0, 0].map(() => random.below(bytes.byteLength + 1)).toSorted((one, other) => one - other)
  return joined(bytes.subarray(0, a), bytes.subarray(b, c), bytes.subarray(a, b), bytes.subarray(c))
}

function spliced(random: Random, head: Uint8Array, other: Uint8Array | undefined): Uint8Array {
  return other ? joined(head, other.subarray(random.below(other.byteLength + 1))) : head
}

function changed(bytes: Uint8Array, at: number, change: (byte: number) => number): Uint8Array {
  const copy = Uint8Array.from(bytes)
  if (at < copy.byteLength) copy[at] = change(copy[at] ?? 0)
  return copy
}

export function joined(...parts: readonly Uint8Array[]): Uint8Array {
  const whole = Buffer.concat(parts)
  return new Uint8Array(whole.buffer, whole.byteOffset, Math.min(whole.byteLength, maxBytes))
}

export function pick<T>(random: Random, items: readonly T[]): T | undefined {
  return items[random.below(items.length)]
}
