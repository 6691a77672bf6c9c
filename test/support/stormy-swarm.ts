import type { Behaviour, LittleNode } from './little-node.ts'
import { LittleSwarm } from './little-swarm.ts'

/** Until then things break; afterwards all that is honest is alive, linked and reachable. */
export const stormMs = 20_000

export interface StormySwarm {
  readonly swarm: LittleSwarm
  /** Nodes that keep to the protocol, and whose callers want the blob. */
  readonly honest: readonly LittleNode[]
}

const behaviours: readonly Behaviour[] = ['mute', 'absent', 'busy', 'corrupt', 'liar', 'boaster']

/**
 * A swarm of two to eight nodes in which, by seed, links are cut, nodes die and come back, callers leave and return, the
 * origin fails, and strangers misbehave. There is always an honest source: an origin that everybody may ask, or a node
 * that had the blob from the start.
 */
export function stormySwarm(seed: number): StormySwarm {
  const swarm = new LittleSwarm({
    seed,
    pieceCount: 1 + (seed % 40),
    latencyMs: 1 + (seed % 7) * 8,
    origin: { latencyMs: 20 + (seed % 5) * 30, pieceMs: 5 + (seed % 4) * 100 },
  })
  const { random, time } = swarm
  const odds = (chance: number): boolean => random.next() < chance
  const origin = odds(0.7)
  const nodeCount = 2 + random.below(7)
  const honest: LittleNode[] = []
  for (let index = 0; index < nodeCount; index++) {
    const pieceMs = odds(0.1) ? 2000 : 20 + random.below(600)
    const rank = random.next()
    const seeds = !origin && index === 0
    // Lies that nobody can tell from the truth need an origin to be found out.
    const behaviour = index < 2 || odds(0.7) ? 'honest' : (behaviours[random.below(behaviours.length)] ?? 'honest')
    if (behaviour === 'liar' && !origin) continue
    const node = swarm.add({ behaviour, rank, pieceMs, origin, complete: seeds })
    if (behaviour === 'honest') honest.push(node)
  }
  const anyNode = (): LittleNode | undefined => swarm.nodes[random.below(swarm.nodes.length)]
  const linkAll = (chance: number): void => {
    for (const a of swarm.nodes) {
      for (const b of swarm.nodes) {
        if (a.index < b.index && odds(chance)) time.after(random.below(400), () => swarm.connect(a, b))
      }
    }
  }
  const breakSomething = (): void => {
    const [a, b] = [anyNode(), anyNode()]
    if (!a || !b) return
    const what = random.below(6)
    if (what === 0) swarm.cut(a, b, { a: random.below(100), b: random.below(4000) })
    else if (what === 1) linkAll(0.5)
    else if (what === 2 && a.alive) {
      swarm.kill(a, odds(0.5) ? 0 : random.below(12_000))
      time.after(random.below(8000), () => a.revive())
    } else if (what === 3 && a.behaviour === 'honest') {
      a.unwant()
      time.after(random.below(3000), () => a.want())
    } else if (what === 4) {
      swarm.origin.down = true
      swarm.origin.retryAfterMs = odds(0.5) ? random.below(3000) : undefined
      time.after(random.below(6000), () => (swarm.origin.down = false))
    } else swarm.origin.failureOdds = random.next() / 4
  }
  linkAll(0.6)
  for (const node of honest) time.after(random.below(3000), () => node.want())
  for (let count = random.below(40); count > 0; count--) time.after(random.below(stormMs - 8000), breakSomething)
  time.at(stormMs, () => {
    swarm.origin.down = false
    swarm.origin.failureOdds = 0
    for (const node of swarm.nodes) node.revive()
  })
  // Silent deaths have been noticed by then.
  time.at(stormMs + 15_000, () => linkAll(1))
  return { swarm, honest }
}
