import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { parseReference, RequestError, type SeedSource } from '../../index.ts'
import { untilAborted, type CommandContext } from '../command-context.ts'
import { reportProgress } from '../progress.ts'
import { reportWithheld } from '../report-withheld.ts'
import { withSwarm } from '../with-swarm.ts'

/** Offers an OCI image layout, a file or an image until the process is to end. */
export async function seed({ settings, output, signal }: CommandContext, source: string): Promise<void> {
  const seeded = await readSource(source, settings.platform)
  await withSwarm(settings, output.logger, async (swarm) => {
    await using handle = await swarm.seed(seeded, { signal, onProgress: reportProgress(output) })
    output.event({ event: 'seeding', digest: handle.topic, addresses: swarm.addresses })
    await untilAborted(signal)
  }, { onWithheld: reportWithheld(output) })
}

async function readSource(text: string, platform: string | undefined): Promise<SeedSource> {
  if (await isFile(join(text, 'oci-layout'))) return { layout: text }
  if (await isFile(text)) return { file: text }
  if (/^\.{0,2}\//.test(text)) {
    throw new RequestError('ERR_REQUEST_OPTION', `${text} is neither a file nor a folder with an OCI image layout`)
  }
  parseReference(text)
  return { reference: text, platform }
}

async function isFile(path: string): Promise<boolean> {
  const stats = await stat(path).catch(() => undefined)
  return stats?.isFile() === true
}
