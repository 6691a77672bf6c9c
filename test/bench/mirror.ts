/**
 * The mirror beside servers that do nothing but serve files: one blob by our mirror (from its store), by Debian's docker-registry and by nginx, to curl, in turns;
 * on loopback, where the machine is the limit, and behind a token bucket of 1 Gbit/s. Then 200 clients at once that ask a cold mirror for one blob; and one
 * client of a mirror in a closed network whose only seed is killed when it has given half of the blob.
 *
 *     npm run bench:mirror -- [--json] [--short] [--size 1GiB] [--repeat 5]
 *
 * Needs docker-registry, nginx and curl; the token bucket needs root and iproute2.
 */
import { parseArgs } from 'node:util'
import { measureCrowd } from './mirror-crowd.ts'
import { measureLoss } from './mirror-loss.ts'
import { measureServing } from './mirror-serving.ts'
import { missingPrograms } from './net/commands.ts'
import { BenchSkipped, runBench } from './support/bench-run.ts'
import { printTable } from './support/table.ts'
import { parseCount, parseSize, printMib, printSeconds } from './support/units.ts'

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    short: { type: 'boolean', default: false },
    size: { type: 'string' },
    repeat: { type: 'string' },
  },
})
const sizeBytes = parseSize(values.size ?? (values.short ? '64MiB' : '1GiB'))
const serving = { sizeBytes, repeatCount: parseCount(values.repeat ?? (values.short ? '2' : '5'), 1), firstByteCount: values.short ? 10 : 50 }
const crowd = values.short ? { clientCount: 50, sizeBytes: 20 * 1024 ** 2 } : { clientCount: 200, sizeBytes: 100 * 1024 ** 2 }

await runBench('mirror', values.json, async (context) => {
  const missing = missingPrograms(['docker-registry', 'nginx', 'curl'])
  if (missing.length > 0) throw new BenchSkipped(`${missing.join(' and ')} not installed`)
  const served = await measureServing(context, serving)
  const crowded = await measureCrowd(context, crowd)
  const lost = await measureLoss(context, sizeBytes)
  const text = [
    printTable([
      ['', 'server', 'MB/s', 'first byte, p50'],
      ...served.map((row) => [row.bed, row.server, String(row.mbPerSecond), `${row.firstByteMs} ms`]),
    ]),
    `${crowd.clientCount} clients, one cold blob of ${printMib(crowd.sizeBytes)}: origin ${crowded.originRatio} x, RSS + ${crowded.rssGrowthMib} MiB, ${printSeconds(crowded.ms)}`,
    `only seed killed after half of ${printMib(sizeBytes)}: whole and right after ${printSeconds(lost.ms)}, origin ${lost.originRatio} x, first byte after ${printSeconds(lost.firstByteMs)}`,
  ].join('\n')
  return { text, figures: { serving: { ...serving, results: served }, crowd: { ...crowd, ...crowded }, loss: { sizeBytes, ...lost } } }
})
