import type { Swarm } from '../../index.ts'
import { untilAborted, type CommandContext } from '../command-context.ts'
import { openMirror } from '../open-mirror.ts'
import { reportWithheld } from '../report-withheld.ts'
import { withSwarm } from '../with-swarm.ts'

/** Runs a node, and a registry mirror before it if one is asked for, until the process is to end. */
export async function serve({ settings, output, signal }: CommandContext): Promise<void> {
  const run = async (swarm: Swarm): Promise<void> => {
    await using mirror = await openMirror(swarm, settings, output)
    output.event({ event: 'ready', peerId: swarm.peerId, addresses: swarm.addresses, ...(mirror && { mirror: mirror.url }) })
    await untilAborted(signal)
  }
  // Other nodes are told its address once and for all; a pull from the same store at the same time is another node.
  await withSwarm(settings, output.logger, run, { keepIdentity: true, onWithheld: reportWithheld(output) })
}
