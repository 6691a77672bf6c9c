import { untilAborted, type CommandContext } from '../command-context.ts'
import { withSwarm } from '../with-swarm.ts'

/** Runs a node until the process is to end. */
export async function serve({ settings, output, signal }: CommandContext): Promise<void> {
  await withSwarm(settings, output.logger, async (swarm) => {
    output.event({ event: 'ready', peerId: swarm.peerId, addresses: swarm.addresses })
    await untilAborted(signal)
  })
}
