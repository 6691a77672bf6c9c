/**
 * Nine nodes, each a process of its own, fetch one image of 64 MiB: eight at once while the registry is up, and one by digest
 * after it is gone. Needs no root and no network; `--json` adds the figures as a last line.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { printBytes } from '../../src/cli/event-text.ts'
import { LiveLines } from '../../src/cli/progress-bar.ts'
import { embeddedOrigin, type EmbeddedOrigin } from '../../src/testing/embedded-origin.ts'
import { testImage, type TestImage } from '../../src/testing/test-image.ts'
import { addUp, printReport, type DemoFigures, type NodeReport } from './demo-report.ts'
import { DemoError, DemoProcess } from './demo-process.ts'
import { checkLayout } from './image-layout.ts'

const mib = 1024 * 1024
const crowdSize = 8
const repository = 'demo/app'
const tag = '1.0'
/** Three times what it takes on two quiet cores: past it, something hangs. `DEMO_LIMIT_SECONDS` is for machines with other work to do. */
const limitMs = Number(process.env['DEMO_LIMIT_SECONDS'] ?? 55) * 1000
const liveIntervalMs = 200

const live = new LiveLines((text) => void process.stdout.write(text))

async function main(): Promise<DemoFigures> {
  await using cleanup = new AsyncDisposableStack()
  const stopped = Promise.withResolvers<never>()
  const stop = (reason: string) => (): void => stopped.reject(new DemoError(reason))
  const timer = setTimeout(stop(`it takes longer than ${limitMs / 1000} seconds`), limitMs)
  cleanup.defer(() => clearTimeout(timer))
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, stop(`interrupted by ${signal}`))
  return await Promise.race([runDemo(cleanup), stopped.promise])
}

async function runDemo(cleanup: AsyncDisposableStack): Promise<DemoFigures> {
  const folder = await mkdtemp(join(tmpdir(), 'damselfly-demo-'))
  cleanup.defer(() => rm(folder, { recursive: true, force: true }))
  const origin = cleanup.use(await embeddedOrigin())
  const image = testImage({ seed: 1, layerSizes: [40 * mib, 16 * mib, 8 * mib] })
  image.addTo(origin, repository, tag)

  const nodes: DemoProcess[] = []
  cleanup.defer(async () => void (await Promise.all(nodes.map((node) => node[Symbol.asyncDispose]()))))
  const startNode = (name: string, bootstrap: readonly string[]): DemoProcess => {
    const node = new DemoProcess(name, { storeDir: join(folder, `store-${name}`), registryHost: origin.host, bootstrap })
    nodes.push(node)
    return node
  }

  say(`starting ${crowdSize} nodes`)
  const first = startNode('1', [])
  const bootstrap = await first.ready
  for (let number = 2; number <= crowdSize; number++) startNode(String(number), bootstrap)
  await Promise.all(nodes.map((node) => node.ready))

  say(`all of them pull ${origin.host}/${repository}:${tag}, ${printBytes(imageBytes(image))}, at once`)
  const reports = await pullAll(nodes, `${origin.host}/${repository}:${tag}`, folder, origin)

  say('the registry stops; one more node pulls the image by its digest')
  const originBytes = origin.bytesSent()
  await origin.close()
  const late = startNode(String(crowdSize + 1), bootstrap)
  await late.ready
  reports.push(...(await pullAll([late], `${origin.host}/${repository}@${image.manifest.digest}`, folder, origin)))

  for (const { name, digest } of reports) {
    if (digest !== image.manifest.digest) throw new DemoError(`node ${name} pulled ${digest}, not ${image.manifest.digest}`)
    await checkLayout(layoutOf(folder, name), image)
  }
  say(`all ${reports.length} layouts were read back: every digest matches\n`)
  const figures = addUp(reports, imageBytes(image), originBytes)
  say(printReport(reports, figures))
  return figures
}

async function pullAll(
  nodes: readonly DemoProcess[],
  reference: string,
  folder: string,
  origin: EmbeddedOrigin,
): Promise<(NodeReport & { digest: string })[]> {
  const startedMs = performance.now()
  const seconds = (): string => `${((performance.now() - startedMs) / 1000).toFixed(1)} s`
  const drawing = setInterval(() => {
    const amounts = nodes.map(({ bytesHere }) => `${Math.floor(bytesHere / mib)}`.padStart(2)).join(' ')
    if (process.stdout.isTTY) live.draw([`  ${seconds()}  MiB here: ${amounts}  from the registry: ${printBytes(origin.bytesSent())}`])
  }, liveIntervalMs)
  try {
    return await Promise.all(
      nodes.map(async (node) => {
        const report = await node.pull(reference, layoutOf(folder, node.name))
        say(`  node ${node.name} has it after ${seconds()}`)
        return report
      }),
    )
  } finally {
    clearInterval(drawing)
    live.draw([])
  }
}

function layoutOf(folder: string, name: string): string {
  return join(folder, `layout-${name}`)
}

function imageBytes({ manifest, config, layers }: TestImage): number {
  return [manifest, config, ...layers].reduce((sum, { size }) => sum + size, 0)
}

function say(text: string): void {
  live.above(`${text}\n`)
}

try {
  const figures = await main()
  if (process.argv.includes('--json')) console.log(JSON.stringify(figures))
} catch (error) {
  console.error(`the demo failed: ${error instanceof Error ? error.message : String(error)}`)
  process.exitCode = 1
}
