/** How fast a blob that is here goes to curl, and how soon, beside docker-registry and nginx. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { run, start } from './net/commands.ts'
import { Lab, whyNoLab } from './net/lab.ts'
import { Registry, type BlobFile } from './net/registry.ts'
import type { BenchContext } from './support/bench-run.ts'
import { median, percentile, round } from './support/figures.ts'
import { freePorts } from './support/free-ports.ts'
import { blobUrl, repository, startMirror, untilKilled } from './support/mirror-process.ts'
import { writeSeededFile } from './support/seeded-file.ts'

/** What is measured, and how often. */
export interface ServingSettings {
  readonly sizeBytes: number
  /** Whole blobs. */
  readonly repeatCount: number
  /** Asked for by ranges of 1 KiB. */
  readonly firstByteCount: number
}

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

/** On loopback, and where this machine can do so, behind a token bucket. */
export async function measureServing(context: BenchContext, settings: ServingSettings): Promise<ServerFigures[]> {
  const blob = await writeSeededFile(join(context.folder, 'blob'), 1, settings.sizeBytes)
  const results: ServerFigures[] = []
  for (const bed of await bedsOf(context)) results.push(...(await measure(context, settings, bed, blob)))
  return results
}

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

async function measure(context: BenchContext, { repeatCount, firstByteCount }: ServingSettings, bed: Bed, blob: BlobFile): Promise<ServerFigures[]> {
  const { folder } = context
  await using stack = new AsyncDisposableStack()
  const [registryPort = 0, nginxPort = 0, mirrorPort = 0] = await freePorts(3)
  const place = { address: bed.address, namespace: bed.server }
  const own = join(folder, bed.name.replaceAll(/\W/g, '-'))
  const registry = stack.use(await Registry.start({ ...place, port: registryPort }, join(own, 'registry')))
  await registry.addImage(repository, blob)
  stack.use(await startNginx(bed, nginxPort, join(own, 'nginx'), folder))
  const mirror = stack.use(
    await startMirror({ listen: `${bed.address}:${mirrorPort}`, store: join(own, 'store'), registry: registry.host, file: blob.path }, bed.server),
  )
  const servers = {
    mirror: blobUrl(mirror.host, blob),
    'docker-registry': blobUrl(registry.host, blob),
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
  return untilKilled(child)
}

async function answers(bed: Bed, url: string): Promise<void> {
  for (let turn = 0; turn < 200; turn++) {
    const up = await curl(bed, url, ['-r', '0-0']).then(() => true, () => false)
    if (up) return
    await pause(50)
  }
  throw new RangeError(`nothing answers at ${url}`)
}
