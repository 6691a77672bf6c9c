import assert from 'node:assert/strict'
import fc from 'fast-check'
import { describe, test } from 'vitest'
import { seededRandom } from '../../src/core/random.ts'
import { fuzzRuns } from '../support/fuzz.ts'
import { decoders } from './decoders.ts'
import { bytesOfText, type Decoder } from './decoder.ts'
import { keptFolders, keptFor } from './kept.ts'
import { drawCase, type Material } from './mutate.ts'
import { faultIn, faultOfPrinted, hex, shrunk } from './trial.ts'

/** Cases for each decoder. */
const { numRuns, seed } = fuzzRuns(20_000)
/** So many of them are values that are written and read back: drawing one takes as long as damaging ten. */
const roundTrips = Math.ceil(numRuns / 20)
/** Valid encodings that are damaged. */
const poolSize = 200
/** On a machine that is busy with other things a decoder may take a minute. */
const timeoutMs = numRuns > 20_000 ? 0 : 300_000

for (const decoder of decoders) {
  describe(decoder.name, () => {
    const pool = fc.sample(decoder.samples, { numRuns: poolSize, seed })

    test('reads what is valid', () => {
      const refused = pool.filter((bytes) => readOf(decoder, bytes) === undefined)
      assert.deepEqual(refused.map(hex), [])
      check(decoder, pool)
    })

    test('takes what the corpus keeps', () => check(decoder, keptFor(decoder.name)))

    test(`takes ${numRuns - roundTrips} damaged inputs`, () => {
      const material: Material = { kind: decoder.kind, words: (decoder.words ?? []).map(bytesOfText), pool: [...pool, ...keptFor(decoder.name)] }
      for (let run = 0; run < numRuns - roundTrips; run++) {
        const random = seededRandom(seed * 7919 + run)
        const drawn = drawCase(random, material)
        const bytes = decoder.seal && random.below(4) > 0 ? decoder.seal(drawn) : drawn
        const fault = faultIn(decoder, bytes, random)
        if (fault !== undefined) fail(decoder, bytes, `FUZZ_SEED=${seed}, case ${run}`, fault)
      }
    }, timeoutMs)

    const { values, print } = decoder
    if (values && print) {
      test(`reads back ${roundTrips} values`, () => {
        fc.assert(
          fc.property(values, (value) => {
            assert.equal(faultOfPrinted(decoder, print(value), value), undefined)
          }),
          { numRuns: roundTrips, seed },
        )
      }, timeoutMs)
    }
  })
}

describe('the corpus', () => {
  test('has no folder of a decoder that is not there', () => {
    const names = new Set(decoders.map(({ name }) => name))
    assert.equal(names.size, decoders.length)
    assert.deepEqual(keptFolders().filter((folder) => !names.has(folder)), [])
  })
})

function check(decoder: Decoder, inputs: readonly Uint8Array[]): void {
  for (const bytes of inputs) {
    const fault = faultIn(decoder, bytes, seededRandom(seed))
    if (fault !== undefined) fail(decoder, bytes, 'a kept or valid input', fault)
  }
}

function fail(decoder: Decoder, bytes: Uint8Array, origin: string, fault: string): never {
  const kind = fault.slice(0, 25)
  const least = shrunk(bytes, (shorter) => faultIn(decoder, shorter, seededRandom(seed))?.startsWith(kind) ?? false)
  const text = JSON.stringify(Buffer.from(least).toString('latin1').slice(0, 300))
  assert.fail(`${decoder.name} (${origin}): ${fault}\nkeep in test/fuzz/corpus/${decoder.name}, in a file that ends in .hex:\n${hex(least)}\n${text}`)
}

function readOf({ read }: Decoder, bytes: Uint8Array): unknown {
  try {
    return read(bytes)
  } catch {
    return undefined
  }
}
