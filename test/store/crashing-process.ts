/**
 * Run as a process of its own, to be killed: `node crashing-process.ts <directory> <scenario>`. After each line that
 * it prints it stops, until it is sent one.
 */
import { createInterface } from 'node:readline'
import { pieceRange } from '../../src/core/piece-layout.ts'
import { fsBackend } from '../../src/store/fs-backend.ts'
import { PieceStore } from '../../src/store/piece-store.ts'
import { seededContent } from '../../src/testing/seeded-content.ts'

const [directory = '', scenario] = process.argv.slice(2)
const store = await PieceStore.open(fsBackend(directory))

const answers = createInterface({ input: process.stdin })[Symbol.asyncIterator]()

/** Tells where we are, and waits: here we may be killed. */
async function point(line: string): Promise<void> {
  process.stdout.write(`${line}\n`)
  await answers.next()
}

async function download(
  seed: number,
  sizeBytes: number,
  { isPrivate = false } = {},
): Promise<void> {
  const blob = seededContent(seed, sizeBytes)
  const part = await store.part(blob.digest, sizeBytes)
  const { pieceCount } = part.layout
  for (let piece = 0; piece < pieceCount; piece++) {
    const bytes = blob.read(pieceRange(part.layout, piece))
    await part.write(piece, [bytes], piece % 2 === 0 ? 'origin' : 'peer')
    await point(`${seed} written ${piece}`)
    // Half-way, what is here so far becomes durable.
    if (isPrivate && piece + 1 === Math.floor(pieceCount / 2)) {
      await part.markPrivate()
      await point(`${seed} private`)
    }
  }
  await part.commit()
  await point(`${seed} committed`)
}

if (scenario === 'one') {
  await download(1, 2_000_000, { isPrivate: true })
} else {
  for (let seed = 1; ; seed++) {
    await download(seed, seed % 2 === 0 ? 50_000 : 1_500_000)
    if (seed > 2)
      await store.delete(seededContent(seed - 2, seed % 2 === 0 ? 50_000 : 1_500_000).digest)
    await point(`${seed} deleted`)
  }
}
