import assert from 'node:assert/strict'
import { describe, test } from 'vitest'
import type { Digest } from '../../src/core/digest.ts'
import type { Origin } from '../../src/core/origin.ts'
import { HostGates } from '../../src/oci/host-gates.ts'
import { HostWatch } from '../../src/swarm/host-watch.ts'
import type { JoinWalker } from '../../src/swarm/join-walker.ts'
import { hostTopic } from '../../src/swarm/node-order.ts'
import { scriptedNode, type ScriptedNode } from '../support/scripted-link.ts'

interface Watched {
  readonly watch: HostWatch
  readonly gates: HostGates
  readonly walks: Digest[]
  readonly told: { topic: Digest; durationMs: number }[]
}

function watched(node: ScriptedNode): Watched {
  const gates = new HostGates(node.clock)
  const walks: Digest[] = []
  const told: Watched['told'] = []
  const walker = { walk: async (topic: Digest) => void walks.push(topic) } as unknown as JoinWalker
  const watch = new HostWatch(node.context, gates, walker, (topic, durationMs) => told.push({ topic, durationMs }))
  return { watch, gates, walks, told }
}

function originAt(...hosts: readonly string[]): Origin {
  const read = (): Promise<never> => Promise.reject(new Error('it is not read'))
  return { name: 'origin', hosts, read }
}

const refusal = { status: 429, headers: (name: string) => (name === 'retry-after' ? ['5'] : []) }

describe('a watch on hosts', () => {
  test('tells the topic of the host’s name what the host asked of this node', async () => {
    await using node = await scriptedNode()
    const { gates, told } = watched(node)
    gates.heard('registry.example', refusal)
    assert.deepEqual(told, [{ topic: hostTopic('registry.example'), durationMs: 5000 }])
  })

  test('the topic is sha256 of "damselfly host " and the name', () => {
    assert.equal(hostTopic('registry.example'), 'sha256:191599537d98c7b0f8d974d7a13de206a59812e0f01491b226cc1d169246e2d0')
  })

  test('who begins to read from hosts joins their topics, again after ten minutes', async () => {
    await using node = await scriptedNode()
    const { watch, walks } = watched(node)
    watch.reads(originAt('a.example', 'b.example'))
    watch.reads(originAt('a.example'))
    assert.deepEqual(walks, [hostTopic('a.example'), hostTopic('b.example')])
    node.clock.advance(599_999)
    watch.reads(originAt('a.example'))
    assert.equal(walks.length, 2)
    node.clock.advance(1)
    watch.reads(originAt('a.example'))
    assert.equal(walks.length, 3)
  })

  test('an origin without hosts joins nothing', async () => {
    await using node = await scriptedNode()
    const { watch, walks } = watched(node)
    const { name, read } = originAt()
    watch.reads({ name, read })
    assert.deepEqual(walks, [])
  })

  test('what others were asked holds for a host that this node reads from, and is passed on to nobody', async () => {
    await using node = await scriptedNode()
    const { watch, gates, told } = watched(node)
    watch.reads(originAt('a.example'))
    gates.of('a.example')
    gates.of('b.example')
    for (const host of ['a.example', 'b.example']) watch.heldOff(hostTopic(host), 5000)
    assert.deepEqual(gates.hosts(), ['a.example'])
    node.clock.advance(5000)
    assert.deepEqual(gates.hosts(), [])
    assert.deepEqual(told, [])
  })

  test('nobody is told after it was closed', async () => {
    await using node = await scriptedNode()
    const { watch, gates, told } = watched(node)
    watch.close()
    gates.heard('registry.example', refusal)
    assert.deepEqual(told, [])
  })
})
