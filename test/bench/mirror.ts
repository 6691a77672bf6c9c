/**
 * The mirror beside servers that do nothing but serve files: one blob by our mirror (from its store), by Debian's docker-registry and by nginx, to curl, in turns;
 * on loopback, where the machine is the limit, and behind a token bucket of 1 Gbit/s. Then 200 clients at once that ask a cold mirror for one blob.
 *
 *     npm run bench:mirror -- [--json] [--short] [--size 1GiB] [--repeat 5]
 *
 * Needs docker-registry, nginx and curl; the token bucket needs root and iproute2.
 */
import { once } from 'node:events'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { setTimeout as pause } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { missingPrograms, run, start } from './net/commands.ts'
import { Lab, whyNoLab } from './net/lab.ts'
import { Registry, type BlobFile } from './net/registry.ts'
import { BenchSkipped, runBench, type BenchContext } from './support/bench-run.ts'
import { freePorts } from './support/free-ports.ts'
import { median, percentile, round } from './support/figures.ts'
import { writeSeededFile } from './support/seeded-file.ts'
import { printTable } from './support/table.ts'
import { parseCount, parseSize } from './support/units.ts'

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    short: { type: 'boolean', default: false },
    size: { type: 'string' },
    repeat: { type: 'string' },
  },
})
const sizeBytes = parseSize(values.size ?? (values.short ? '64MiB' : '1GiB'))
const repeatCount = parseCount(values.repeat ?? (values.short ? '2' : '5'), 1)
const firstByteCount = values.short ? 10 : 50
const crowd = values.short ? { clients: 50, sizeBytes: 20 * 1024 ** 2 } : { clients: 200, sizeBytes: 100 * 1024 ** 2 }
const repository = 'bench/blob'
const mib = 1024 ** 2

/** Where the servers run, and where curl does. */
interface Bed {
  readonly name: 'loopback' | '1 Gbit/s'
  readonly server: string | undefined
  readonly client: string | undefined
  readonly address: string
}

interface ServerFigures {
  readonly bed: Bed['name']
  readonly server: string
  readonly mbPerSecond: number
  readonly firstByteMs: number
}

await runBench('mirror', values.json, async (context) => {
  const missing = missingPrograms(['docker-registry', 'nginx', 'curl'])
  if (missing.length > 0) throw new BenchSkipped(`${missing.join(' and ')} not installed`)
  const blob = await writeSeededFile(join(context.folder, 'blob'), 1, sizeBytes)
  const results: ServerFigures[] = []
  for (const bed of await bedsOf(context)) results.push(...(await measure(context, bed, blob)))
  const crowded = await measureCrowd(context)
  const text = [
    printTable([
      ['', 'server', 'MB/s', 'first byte, p50'],
      ...results.map((row) => [row.bed, row.server, String(row.mbPerSecond), `${row.firstByteMs} ms`]),
    ]),
    `${crowd.clients} clients, one cold blob of ${crowd.sizeBytes / mib} MiB: origin ${crowded.originRatio} x, RSS + ${crowded.rssGrowthMib} MiB, ${crowded.ms} ms`,
  ].join('\n')
  return { text, figures: { sizeBytes, repeatCount, results, crowd: { ...crowd, ...crowded } } }
})

async function bedsOf({ cleanup, say }: BenchContext): Promise<Bed[]> {
  const loopback: Bed = { name: 'loopback', server: undefined, client: undefined, address: '127.0.0.1' }
  const noLab = await whyNoLab()
  if (noLab !== undefined) {
    say(`loopback only: ${noLab}`)
    return [loopback]
  }
  const lab = cleanup.use(new Lab())
  const network = await lab.addNetwork()
  const server = await lab.addHost('server', [network], { rateBitsPerSecond: 1e9 })
  const client = await lab.addHost('client', [network])
  return [loopback, { name: '1 Gbit/s', server: server.namespace, client: client.namespace, address: server.addresses[0] ?? '' }]
}

async function measure(context: BenchContext, bed: Bed, blob: BlobFile): Promise<ServerFigures[]> {
  const { folder } = context
  await using stack = new AsyncDisposableStack()
  const [registryPort = 0, nginxPort = 0, mirrorPort = 0] = await freePorts(3)
  const place = { address: bed.address, namespace: bed.server }
  const own = join(folder, bed.name.replaceAll(/\W/g, '-'))
  const registry = stack.use(await Registry.start({ ...place, port: registryPort }, join(own, 'registry')))
  await registry.addImage(repository, blob)
  stack.use(await startNginx(bed, nginxPort, join(own, 'nginx'), folder))
  stack.use(await startMirror(bed, mirrorPort, join(own, 'store'), registry.host, blob.path))
  const path = `v2/${repository}/blobs/${blob.digest}`
  const servers = {
    mirror: `http://${bed.address}:${mirrorPort}/${path}`,
    'docker-registry': `http://${registry.host}/${path}`,
    nginx: `http://${bed.address}:${nginxPort}/blob`,
  }
  const rates = new Map<string, number[]>()
  const firstBytes = new Map<string, number[]>()
  for (let turn = 0; turn < repeatCount; turn++) {
    context.say(`${bed.name}, ${turn + 1} of ${repeatCount}`)
    for (const [name, url] of Object.entries(servers)) push(rates, name, blob.sizeBytes / 1e6 / (await curl(bed, url, [])).totalSeconds)
  }
  for (let turn = 0; turn < firstByteCount; turn++) {
    for (const [name, url] of Object.entries(servers)) push(firstBytes, name, 1000 * (await curl(bed, url, ['-r', '0-1023'])).firstSeconds)
  }
  return Object.keys(servers).map((server) => ({
    bed: bed.name,
    server,
    mbPerSecond: Math.round(median(rates.get(server) ?? [])),
    firstByteMs: round(percentile(firstBytes.get(server) ?? [], 0.5), 1),
  }))
}

function push(map: Map<string, number[]>, key: string, value: number): void {
  map.set(key, [...(map.get(key) ?? []), value])
}

async function curl(bed: Bed, url: string, more: readonly string[]): Promise<{ firstSeconds: number; totalSeconds: number }> {
  const args = ['-sS', '-f', '-o', '/dev/null', '-w', '%{time_starttransfer} %{time_total}', ...more, url]
  const [firstSeconds = NaN, totalSeconds = NaN] = (await run({ program: 'curl', args, namespace: bed.client })).split(' ').map(Number)
  return { firstSeconds, totalSeconds }
}

async function startNginx(bed: Bed, port: number, directory: string, root: string): Promise<AsyncDisposable> {
  mkdirSync(directory, { recursive: true })
  const config = join(directory, 'nginx.conf')
  writeFileSync(
    config,
    `daemon off; user root; worker_processes 1; pid ${directory}/pid; error_log ${directory}/error.log; events {}
     http { access_log off; sendfile on; tcp_nopush on; client_body_temp_path ${directory}/body; proxy_temp_path ${directory}/proxy;
     fastcgi_temp_path ${directory}/fastcgi; uwsgi_temp_path ${directory}/uwsgi; scgi_temp_path ${directory}/scgi;
     server { listen ${bed.address}:${port}; root ${root}; } }`,
  )
  const child = start({ program: 'nginx', args: ['-c', config, '-p', directory], namespace: bed.server }, ['ignore', 'ignore', 'inherit'])
  await answers(bed, `http://${bed.address}:${port}/blob`)
  return ending(child)
}

async function startMirror(bed: Bed, port: number, store: string, registry: string, file?: string): Promise<AsyncDisposable & { pid: number }> {
  const script = new URL('support/mirror-node.ts', import.meta.url).pathname
  const args = [script, `${bed.address}:${port}`, store, registry, ...(file === undefined ? [] : [file])]
  const child = start({ program: process.execPath, args, namespace: bed.server }, ['pipe', 'pipe', 'inherit'])
  await once(child.stdout as Readable, 'data')
  return { pid: child.pid ?? 0, ...ending(child) }
}

function ending(child: ReturnType<typeof start>): AsyncDisposable {
  return {
    async [Symbol.asyncDispose]() {
      if (child.exitCode !== null || child.signalCode !== null) return
      const ended = once(child, 'exit')
      child.kill('SIGKILL')
      await ended
    },
  }
}

async function answers(bed: Bed, url: string): Promise<void> {
  for (let turn = 0; turn < 200; turn++) {
    const up = await curl(bed, url, ['-r', '0-0']).then(() => true, () => false)
    if (up) return
    await pause(50)
  }
  throw new RangeError(`nothing answers at ${url}`)
}

/** Many clients, one blob, a mirror that has nothing: how often the registry is read, and how much memory that takes. */
async function measureCrowd({ folder, say }: BenchContext): Promise<{ originRatio: number; rssGrowthMib: number; ms: number }> {
  await using stack = new AsyncDisposableStack()
  const bed: Bed = { name: 'loopback', server: undefined, client: undefined, address: '127.0.0.1' }
  const blob = await writeSeededFile(join(folder, 'crowd-blob'), 2, crowd.sizeBytes)
  const [registryPort = 0, mirrorPort = 0] = await freePorts(2)
  const registry = stack.use(await Registry.start({ address: bed.address, port: registryPort }, join(folder, 'crowd-registry')))
  await registry.addImage(repository, blob)
  const mirror = stack.use(await startMirror(bed, mirrorPort, join(folder, 'crowd-store'), registry.host))
  await pause(2000)
  registry.use()
  const memory = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(readFileSync(`/proc/${mirror.pid}/status`, 'utf8'))?.[1]) / 1024
  const beforeMib = memory('VmRSS')
  writeFileSync(`/proc/${mirror.pid}/clear_refs`, '5')
  const url = `http://${bed.address}:${mirrorPort}/v2/${repository}/blobs/${blob.digest}`
  say(`${crowd.clients} clients`)
  const startMs = performance.now()
  await Promise.all(
    Array.from({ length: crowd.clients }, async () => {
      const answer = await fetch(url)
      let received = 0
      for await (const chunk of answer.body ?? []) received += chunk.byteLength
      if (received !== blob.sizeBytes) throw new RangeError(`a client received ${received} bytes of ${blob.sizeBytes}`)
    }),
  )
  const ms = Math.round(performance.now() - startMs)
  const { bytes } = registry.use()
  return { originRatio: round(bytes / blob.sizeBytes, 3), rssGrowthMib: Math.round(memory('VmHWM') - beforeMib), ms }
}
