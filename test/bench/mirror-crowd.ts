/** Many clients, one blob, a mirror that has nothing: how often the registry is read, and how much memory that takes. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { Registry } from './net/registry.ts'
import type { BenchContext } from './support/bench-run.ts'
import { round } from './support/figures.ts'
import { freePorts } from './support/free-ports.ts'
import { blobUrl, repository, startMirror } from './support/mirror-process.ts'
import { writeSeededFile } from './support/seeded-file.ts'

/** What a crowd came to. */
export interface CrowdFigures {
  /** Bytes that the registry sent, by those of the blob. */
  readonly originRatio: number
  /** Of the mirror's process, at its highest. */
  readonly rssGrowthMib: number
  readonly ms: number
}

/** All ask at once. */
export async function measureCrowd({ folder, say }: BenchContext, { clientCount, sizeBytes }: { clientCount: number; sizeBytes: number }): Promise<CrowdFigures> {
  await using stack = new AsyncDisposableStack()
  const blob = await writeSeededFile(join(folder, 'crowd-blob'), 2, sizeBytes)
  const [registryPort = 0, mirrorPort = 0] = await freePorts(2)
  const registry = stack.use(await Registry.start({ address: '127.0.0.1', port: registryPort }, join(folder, 'crowd-registry')))
  await registry.addImage(repository, blob)
  const mirror = stack.use(await startMirror({ listen: `127.0.0.1:${mirrorPort}`, store: join(folder, 'crowd-store'), registry: registry.host }))
  // What starting took is given back first.
  await pause(2000)
  registry.use()
  const memoryMib = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(readFileSync(`/proc/${mirror.pid}/status`, 'utf8'))?.[1]) / 1024
  const beforeMib = memoryMib('VmRSS')
  // Forgets how much it was at most.
  writeFileSync(`/proc/${mirror.pid}/clear_refs`, '5')
  say(`${clientCount} clients`)
  const startMs = performance.now()
  await Promise.all(
    Array.from({ length: clientCount }, async () => {
      const answer = await fetch(blobUrl(mirror.host, blob))
      let received = 0
      for await (const chunk of answer.body ?? []) received += chunk.byteLength
      if (received !== blob.sizeBytes) throw new RangeError(`a client received ${received} bytes of ${blob.sizeBytes}`)
    }),
  )
  const ms = Math.round(performance.now() - startMs)
  return { originRatio: round(registry.use().bytes / blob.sizeBytes, 3), rssGrowthMib: Math.round(memoryMib('VmHWM') - beforeMib), ms }
}
