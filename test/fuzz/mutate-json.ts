import type { Random } from '../../src/core/random.ts'
import { bytesOfText, textOf } from './decoder.ts'

/** What no writer of JSON puts there, as text: some of it cannot be made by `JSON.stringify`. */
const strange = [
  'null', 'true', 'false', '0', '-0', '-1', '1.5', '1e309', '1e-400', '9007199254740993', '1099511627777', '""', '"x"', '"\\u0000"', '"\\ud800"', '"\\u202e"',
  '[]', '{}', '[[]]', '[null]', '{"":0}', '{"toString":1}', '{"toString":null,"valueOf":null}', '{"length":4294967296}', '{"__proto__":{"size":5}}', '{"then":1}',
  '"__proto__"', '"constructor"', `"${'y'.repeat(3000)}"`, `${'['.repeat(300)}${']'.repeat(300)}`, `${'{"a":'.repeat(200)}1${'}'.repeat(200)}`,
]

/** Of an item and its copies, as text. */
const maxRepeatedLength = 2 ** 16

/** Changes a document: values become others, vanish, are doubled or change places. Bytes that are no JSON come back as they are. */
export function mutateJson(random: Random, bytes: Uint8Array): Uint8Array {
  let value: unknown
  try {
    value = JSON.parse(textOf(bytes))
  } catch {
    return bytes
  }
  const holes: string[] = []
  for (let changes = 1 + random.below(3); changes > 0; changes--) value = changeOne(random, value, holes)
  const text = JSON.stringify(value) ?? ''
  return bytesOfText(text.replaceAll(/"\ue000(\d+)"/g, (_, index: string) => holes[Number(index)] ?? 'null'))
}

function changeOne(random: Random, value: unknown, holes: string[]): unknown {
  if (typeof value !== 'object' || value === null || random.below(8) === 0) return hole(random, holes)
  if (Array.isArray(value)) return changeItem(random, value, holes)
  const entries = Object.entries(value)
  if (entries.length === 0) return hole(random, holes)
  const at = random.below(entries.length)
  const [name = '', field] = entries[at] ?? []
  switch (random.below(8)) {
    case 0:
      return Object.fromEntries(entries.toSpliced(at, 1))
    case 1:
      return Object.fromEntries([...entries, [`${name}2`, field]])
    case 2:
      return Object.fromEntries(entries.toSpliced(at, 1, [name, hole(random, holes)]))
    default:
      return Object.fromEntries(entries.toSpliced(at, 1, [name, changeOne(random, field, holes)]))
  }
}

function changeItem(random: Random, items: readonly unknown[], holes: string[]): unknown {
  const at = random.below(items.length)
  switch (random.below(6)) {
    case 0:
      return items.toSpliced(at, 1)
    case 1:
      return items.toReversed()
    case 2:
      return Array.from({ length: repeats(random, items[at]) }, () => items[at])
    case 3:
      return items.toSpliced(at, 0, hole(random, holes))
    default:
      return items.length === 0 ? hole(random, holes) : items.with(at, changeOne(random, items[at], holes))
  }
}

/** As often as leaves a document that can be written: several changes multiply. */
function repeats(random: Random, item: unknown): number {
  return Math.min(2 ** random.below(11), Math.ceil(maxRepeatedLength / (JSON.stringify(item)?.length ?? 1)))
}

/** A place for a strange text: a string that no document has, replaced when all is written. */
function hole(random: Random, holes: string[]): string {
  holes.push(strange[random.below(strange.length)] ?? 'null')
  return `\ue000${holes.length - 1}`
}
