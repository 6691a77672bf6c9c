import { parseReference, RequestError } from '../../index.ts'
import type { CommandContext } from '../command-context.ts'
import { reportProgress } from '../progress.ts'
import { reportWithheld } from '../report-withheld.ts'
import { withSwarm } from '../with-swarm.ts'

/** Fetches an image and writes it as an OCI image layout. */
export async function pull({ settings, output, signal }: CommandContext, reference: string): Promise<void> {
  const { to, platform } = settings
  if (to === undefined) throw new RequestError('ERR_REQUEST_OPTION', 'say where to write the image: --to DIR')
  // Before a node is started for nothing.
  parseReference(reference)
  await withSwarm(settings, output.logger, async (swarm) => {
    const onProgress = reportProgress(output)
    await using image = await swarm.fetchImage(reference, { to, platform, signal, onProgress })
    const { bytes, peers, ms } = image.stats
    output.event({ event: 'done', digest: image.digest, bytes, peers, ms })
  }, { onWithheld: reportWithheld(output) })
}
