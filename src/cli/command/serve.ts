import type { Swarm } from '../../index.ts'
import { untilAborted, type CommandContext } from '../command-context.ts'
import { reportWithheld } from '../report-withheld.ts'
import { withSwarm } from '../with-swarm.ts'

/** Runs a node until the process is to end. */
export async function serve({ settings, output, signal }: CommandContext): Promise<void> {
  const run = async (swarm: Swarm): Promise<void> => {
    output.event({ event: 'ready', peerId: swarm.peerId, addresses: swarm.addresses })
    await untilAborted(signal)
  }
  // Other nodes are told its address once and for all; a pull from the same store at the same time is another node.
  await withSwarm(settings, output.logger, run, { keepIdentity: true, onWithheld: reportWithheld(output) })
}
