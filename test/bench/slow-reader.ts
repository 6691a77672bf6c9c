/**
 * How much memory a node takes whose reader pauses: a member of a closed network streams a blob from another one, stops reading for a
 * minute while the peer could send at full speed, and reads on to the end.
 *
 *     npm run bench:slow-reader -- [--json] [--short]
 */
import { fork } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { createSwarm, fsBackend, peers, PieceStore, type LayerRequest } from '../../src/index.ts'
import { seededContent } from '../../src/testing/index.ts'

const mib = 1024 * 1024
const sampleMs = 100

interface SeedReady {
  readonly addresses: readonly string[]
  readonly layer: LayerRequest
}

if (process.send) await runSeed()
else await runReader()

async function runSeed(): Promise<void> {
  const [directory = '', key = '', size = ''] = process.argv.slice(2)
  const content = seededContent(1, Number(size))
  await using store = await PieceStore.open(fsBackend(directory))
  await using swarm = await createSwarm({ store, network: { key }, listen: ['/ip4/127.0.0.1/tcp/0'], discovery: [] })
  const layer = { digest: content.digest, size: content.sizeBytes, mediaType: 'application/octet-stream' }
  await using _seed = await swarm.seed({ blob: layer, bytes: chunksOf(content) })
  process.send?.({ addresses: swarm.addresses, layer } satisfies SeedReady)
  await once(process, 'disconnect')
}

async function* chunksOf(content: ReturnType<typeof seededContent>): AsyncGenerator<Uint8Array> {
  for (let offset = 0; offset < content.sizeBytes; offset += mib) {
    yield content.read({ offset, length: Math.min(mib, content.sizeBytes - offset) })
  }
}

async function runReader(): Promise<void> {
  const { values } = parseArgs({ options: { json: { type: 'boolean' }, short: { type: 'boolean' } } })
  const sizeBytes = values.short ? 256 * mib : 1024 * mib
  const pauseMs = values.short ? 5000 : 60_000
  await using stack = new AsyncDisposableStack()
  const directory = await mkdtemp(join(tmpdir(), 'damselfly-slow-reader-'))
  stack.defer(() => rm(directory, { recursive: true, force: true }))
  const key = randomBytes(32).toString('hex')
  const seed = fork(import.meta.filename, [join(directory, 'seed'), key, String(sizeBytes)])
  stack.defer(async () => {
    seed.disconnect()
    await once(seed, 'exit')
  })
  const [{ addresses, layer }] = (await once(seed, 'message')) as [SeedReady]
  const store = stack.use(await PieceStore.open(fsBackend(join(directory, 'reader'))))
  const discovery = [peers(addresses)]
  const swarm = stack.use(await createSwarm({ store, network: { key }, listen: [], discovery }))

  let readBytes = 0
  let beforeBytes = 0
  let mostBytes = 0
  for await (const chunk of swarm.streamLayer(layer)) {
    readBytes += chunk.byteLength
    if (beforeBytes > 0 || readBytes < 32 * mib) continue
    beforeBytes = process.memoryUsage.rss()
    for (let waitedMs = 0; waitedMs < pauseMs; waitedMs += sampleMs) {
      await pause(sampleMs)
      mostBytes = Math.max(mostBytes, process.memoryUsage.rss())
    }
  }
  const rssGrowthBytes = Math.max(0, mostBytes - beforeBytes)
  const figures = { sizeBytes, pauseMs, rssBeforeBytes: beforeBytes, rssGrowthBytes, readBytes }
  const text =
    `paused ${pauseMs / 1000} s after 32 MiB: RSS grew by ${(rssGrowthBytes / mib).toFixed(1)} MiB; ` +
    `${readBytes} of ${sizeBytes} bytes were read in the end`
  console.log(values.json ? JSON.stringify(figures) : text)
  if (readBytes !== sizeBytes) process.exitCode = 1
}
