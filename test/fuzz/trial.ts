import { isDeepStrictEqual } from 'node:util'
import type { Random } from '../../src/core/random.ts'
import type { Decoder } from './decoder.ts'
import { unitsIn } from './units.ts'

/** No text of an error is longer, in characters, however long what it complains of. */
const maxMessageLength = 1000

/** What a decoder made of some bytes. */
export type Outcome = { readonly refused: true; readonly error: unknown } | { readonly refused: false; readonly value: unknown }

/** What is wrong with how a decoder takes some bytes; `undefined` when nothing is. */
export function faultIn(decoder: Decoder, bytes: Uint8Array, random: Random): string | undefined {
  const before = Uint8Array.from(bytes)
  const outcome = outcomeOf(() => decoder.read(bytes))
  if (Buffer.compare(before, bytes) !== 0) return 'it changes what it reads'
  const fault = outcome.refused ? faultOfRefusal(decoder, outcome.error) : faultOfValue(decoder, bytes, outcome.value, random)
  return fault ?? faultOfStream(decoder, bytes, outcome, random)
}

function faultOfRefusal({ refuses }: Decoder, error: unknown): string | undefined {
  if (error === undefined) return undefined
  if (!refuses(error)) return `it throws ${shownError(error)}`
  const { length } = error instanceof Error ? error.message : ''
  return length > maxMessageLength ? `its message is ${length} characters long` : undefined
}

function faultOfValue(decoder: Decoder, bytes: Uint8Array, value: unknown, random: Random): string | undefined {
  const { print, exact, holds, maxUnits, read } = decoder
  const most = maxUnits(bytes.byteLength)
  if (unitsIn(value, most) > most) return `it makes more than ${most} bytes and items of ${bytes.byteLength} bytes`
  if (!holds(value, bytes)) return 'what must hold of all that it reads does not'
  if (random.below(4) === 0 && !isDeepStrictEqual(plain(read(bytes)), plain(value))) return 'it reads something else the second time'
  if (!print) return undefined
  const printed = print(value)
  if (exact && Buffer.compare(printed, bytes) !== 0) return `it reads another form of ${hex(printed)}`
  // What was read of a text that just fits may take more than that to write.
  return printed.byteLength > (decoder.cutAfterBytes ?? Infinity) ? undefined : faultOfPrinted(decoder, printed, value)
}

/** What is wrong with reading back what was printed. */
export function faultOfPrinted({ read }: Decoder, printed: Uint8Array, value: unknown): string | undefined {
  const again = outcomeOf(() => read(printed))
  if (again.refused) return `it refuses what it was printed as, ${hex(printed)}: ${shownError(again.error)}`
  return isDeepStrictEqual(plain(again.value), plain(value)) ? undefined : `it reads back otherwise what it was printed as, ${hex(printed)}`
}

/** A stream gives the same parts however it is cut, though the transport uses its memory again; and after an error nothing but errors. */
function faultOfStream({ open, refuses }: Decoder, bytes: Uint8Array, whole: Outcome, random: Random): string | undefined {
  if (!open) return undefined
  const push = open()
  const parts: unknown[] = []
  const widest = random.below(3) === 0 ? 3 : 400
  let refused = false
  // Twice more after an error: each further one says the same.
  let left = 2
  for (let start = 0; start < bytes.byteLength && left > 0; ) {
    const chunk = bytes.slice(start, start + 1 + random.below(widest))
    start += chunk.byteLength
    const outcome = outcomeOf(() => push(chunk))
    chunk.fill(0xff)
    if (!outcome.refused && Array.isArray(outcome.value)) parts.push(...outcome.value)
    if (refused && !outcome.refused) return 'it reads on after an error'
    if (outcome.refused && !refuses(outcome.error)) return `in chunks, it throws ${shownError(outcome.error)}`
    refused = outcome.refused
    if (refused) left--
  }
  if (refused !== whole.refused) return `it is ${refused ? 'refused' : 'read'} in chunks, and not at once`
  return whole.refused || isDeepStrictEqual(plain(parts), plain(whole.value)) ? undefined : 'in chunks it reads otherwise'
}

function shownError(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : 'something that is no error'
}

function outcomeOf(read: () => unknown): Outcome {
  try {
    const value = read()
    return value === undefined ? { refused: true, error: undefined } : { refused: false, value }
  } catch (error) {
    return error === undefined ? { refused: false, value: 'undefined, thrown' } : { refused: true, error }
  }
}

/** A shorter input with a fault, found by leaving out parts. */
export function shrunk(bytes: Uint8Array, isFaulty: (bytes: Uint8Array) => boolean): Uint8Array {
  let best = bytes
  for (let length = Math.ceil(best.byteLength / 2); length > 0; length = length === 1 ? 0 : Math.ceil(length / 2)) {
    for (let start = 0; start < best.byteLength; ) {
      const without = Buffer.concat([best.subarray(0, start), best.subarray(start + length)])
      if (isFaulty(without)) best = without
      else start += length
    }
  }
  return best
}

export function hex(bytes: Uint8Array): string {
  const text = Buffer.from(bytes).toString('hex')
  return text.length > 4000 ? `${text.slice(0, 4000)}…` : text
}

/** The same with plain byte arrays in place of Node's, plain objects, and one zero: prototypes say nothing, and JSON has one zero. */
function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.isBuffer(value) ? Uint8Array.from(value) : value
  if (Array.isArray(value)) return value.map(plain)
  if (value instanceof Map) return new Map(Array.from(value, ([key, item]) => [key, plain(item)]))
  if (typeof value !== 'object' || value === null) return value === 0 ? 0 : value
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, plain(field)]))
}
