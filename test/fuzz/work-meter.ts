import { Session, type Profiler } from 'node:inspector'
import { parentPort } from 'node:worker_threads'
import fc from 'fast-check'
import type { Random } from '../../src/core/random.ts'
import type { Decoder } from './decoder.ts'

/** What a decoder did with an input: how often blocks of code ran, those of libraries too. What goes on inside patterns and JSON.parse does not show. */
export interface Work {
  readonly decoder: string
  readonly inputBytes: number
  readonly blocks: number
  readonly hex: string
}

/** Length of the inputs, in bytes: no message, header or file that is read in full is much longer but a manifest. */
const inputBytes = 32_768
const inputsEach = 6
const session = new Session()

/** A thread of its own: counting would take the counts away from whoever measures coverage. */
if (parentPort) {
  session.connect()
  session.post('Profiler.enable')
  session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true })
  // Only what is compiled from here on has counters in its blocks.
  const { decoders } = await import('./decoders.ts')
  const { keptFor } = await import('./kept.ts')
  const { seededRandom } = await import('../../src/core/random.ts')
  parentPort.postMessage(decoders.flatMap((decoder) => workOf(decoder, keptFor(decoder.name), seededRandom(1))))
  session.disconnect()
}

function workOf(decoder: Decoder, kept: readonly Uint8Array[], random: Random): Work[] {
  const samples = fc.sample(decoder.samples, { numRuns: inputsEach, seed: 1 })
  const inputs = [...samples.map((sample) => grown(random, sample)).map((bytes) => decoder.seal?.(bytes) ?? bytes), ...kept]
  takeCounts()
  return inputs.map((bytes) => ({
    decoder: decoder.name,
    inputBytes: bytes.byteLength,
    blocks: blocksRun(() => decoder.read(bytes)),
    hex: Buffer.from(bytes.subarray(0, 100)).toString('hex'),
  }))
}

/** Some part of it, over and over. */
function grown(random: Random, sample: Uint8Array): Uint8Array {
  const start = random.below(sample.byteLength)
  const end = Math.min(sample.byteLength, start + 1 + random.below(random.below(2) === 0 ? 3 : sample.byteLength))
  const part = sample.subarray(start, end)
  const copies = Array.from({ length: Math.ceil(inputBytes / Math.max(1, part.byteLength)) }, () => part)
  return Buffer.concat([sample.subarray(0, start), ...copies, sample.subarray(end)]).subarray(0, inputBytes)
}

/** Blocks that ran since the last time: nothing but tests and their tools runs between two inputs. */
function blocksRun(read: () => unknown): number {
  try {
    read()
  } catch {
    // What it throws is looked at elsewhere.
  }
  let blocks = 0
  for (const { url, functions } of takeCounts()) {
    if (!url.startsWith('file:') || url.includes('/test/')) continue
    for (const { ranges } of functions) for (const { count } of ranges) blocks += count
  }
  return blocks
}

/** Counts since the last time. */
function takeCounts(): Profiler.ScriptCoverage[] {
  let counts: Profiler.ScriptCoverage[] = []
  session.post('Profiler.takePreciseCoverage', (error, taken) => {
    if (error) throw error
    counts = taken.result
  })
  return counts
}
