/** A closed network of two: a seed that is killed when it has given half of a blob, and a mirror in whose answer the blob is to arrive all the same. */
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { Registry } from './net/registry.ts'
import { BenchError, type BenchContext } from './support/bench-run.ts'
import { round } from './support/figures.ts'
import { freePorts } from './support/free-ports.ts'
import { blobUrl, repository, startMirror } from './support/mirror-process.ts'
import { writeSeededFile } from './support/seeded-file.ts'

/** What the client saw. */
export interface LossFigures {
  readonly firstByteMs: number
  /** To the last byte. */
  readonly ms: number
  /** Bytes that the registry sent, by those of the blob. */
  readonly originRatio: number
}

/** Throws when the answer is not the blob, to the byte. */
export async function measureLoss({ folder, say }: BenchContext, sizeBytes: number): Promise<LossFigures> {
  await using stack = new AsyncDisposableStack()
  const blob = await writeSeededFile(join(folder, 'lost-blob'), 3, sizeBytes)
  const [registryPort = 0, seedPort = 0, mirrorPort = 0] = await freePorts(3)
  const registry = stack.use(await Registry.start({ address: '127.0.0.1', port: registryPort }, join(folder, 'loss-registry')))
  await registry.addImage(repository, blob)
  const common = { registry: registry.host, networkKey: '5c'.repeat(32) }
  const seed = stack.use(
    await startMirror({ ...common, listen: `127.0.0.1:${seedPort}`, store: join(folder, 'seed-store'), file: blob.path, dieAfterBytes: sizeBytes / 2 }),
  )
  const mirror = stack.use(await startMirror({ ...common, listen: `127.0.0.1:${mirrorPort}`, store: join(folder, 'mirror-store'), peers: seed.addresses }))
  registry.use()
  say('the only seed dies half-way')
  const startMs = performance.now()
  const answer = await fetch(blobUrl(mirror.host, blob))
  const hash = createHash('sha256')
  let firstByteMs: number | undefined
  for await (const chunk of answer.body ?? []) {
    firstByteMs ??= performance.now() - startMs
    hash.update(chunk)
  }
  const ms = Math.round(performance.now() - startMs)
  if (!seed.hasEnded) throw new BenchError('the seed did not die')
  const digest = `sha256:${hash.digest('hex')}`
  if (digest !== blob.digest) throw new BenchError(`the client received ${digest} instead of ${blob.digest}`)
  return { firstByteMs: Math.round(firstByteMs ?? NaN), ms, originRatio: round(registry.use().bytes / sizeBytes, 3) }
}
