import assert from 'node:assert/strict'
import { describe, test } from 'vitest'
import type { Digest } from '../../src/core/digest.ts'
import { JoinWalker } from '../../src/swarm/join-walker.ts'
import type { ControlMessage } from '../../src/wire/messages.ts'
import { rankAt, scriptedLinks, type ScriptedLinks } from '../support/scripted-links.ts'
import { scriptedNode, type ScriptedNode } from '../support/scripted-link.ts'

const topic: Digest = `sha256:${'0'.repeat(64)}`

interface Walked {
  readonly walker: JoinWalker
  readonly links: ScriptedLinks
  /** Whether the walk that began first is over. */
  isOver(): boolean
}

async function walking(node: ScriptedNode, ...distances: readonly number[]): Promise<Walked> {
  const links = scriptedLinks(node, ...distances)
  const walker = new JoinWalker(node.context, links.manager, () => false)
  let over = false
  void walker.walk(topic).then(() => (over = true))
  await node.clock.advanceAsync(0)
  return { walker, links, isOver: () => over }
}

function sentTo(node: ScriptedNode, distance: number): readonly ControlMessage[] {
  const link = node.context.links.get(distance)?.link
  return (link as unknown as { sent: ControlMessage[] }).sent
}

describe('a walker', () => {
  test('links to the nearest node, joins there, and is done when that leads no further', async () => {
    await using node = await scriptedNode()
    const { walker, links, isOver } = await walking(node, 20, 30)
    assert.deepEqual(links.dialled, ['node 20'])
    assert.deepEqual(sentTo(node, 20), [{ type: 'join', topic, asks: true }])
    assert.equal(isOver(), false)
    walker.answered(topic, { key: 'node 20', members: 2, nearer: [], busy: false })
    await node.clock.advanceAsync(0)
    assert.equal(isOver(), true)
    assert.equal(node.clock.timerCount, 0)
    assert.deepEqual(node.context.history.of(topic).map(({ type }) => type), ['join:asked'])
  })

  test('goes on to nodes that were named', async () => {
    await using node = await scriptedNode()
    const { walker, links } = await walking(node, 20)
    links.reachable.set('node 10', node.link(10).entry)
    walker.answered(topic, { key: 'node 20', members: 0, nearer: [rankAt(10)], busy: false })
    await node.clock.advanceAsync(0)
    assert.deepEqual(links.dialled, ['node 20', 'node 10'])
  })

  test('passes over who cannot be reached at once, and who is silent after 250 ms', async () => {
    await using node = await scriptedNode()
    const { links, isOver } = await (async () => {
      const scripted = scriptedLinks(node, 10, 20, 30)
      scripted.reachable.delete('node 10')
      const walker = new JoinWalker(node.context, scripted.manager, () => false)
      let over = false
      void walker.walk(topic).then(() => (over = true))
      await node.clock.advanceAsync(0)
      return { links: scripted, isOver: () => over }
    })()
    assert.deepEqual(links.dialled, ['node 10', 'node 20'])
    await node.clock.advanceAsync(249)
    assert.equal(links.dialled.length, 2)
    await node.clock.advanceAsync(1)
    assert.deepEqual(links.dialled, ['node 10', 'node 20', 'node 30'])
    await node.clock.advanceAsync(250)
    assert.equal(isOver(), true)
  })

  test('calls for one topic share a walk, and a later one begins anew', async () => {
    await using node = await scriptedNode()
    const { walker, links } = await walking(node, 20)
    const second = walker.walk(topic)
    assert.equal(links.dialled.length, 1)
    walker.answered(topic, { key: 'node 20', members: 0, nearer: [], busy: false })
    await second
    void walker.walk(topic)
    assert.equal(links.dialled.length, 2)
  })

  test('who knows nobody is done at once', async () => {
    await using node = await scriptedNode()
    const { isOver } = await walking(node)
    assert.equal(isOver(), true)
  })

  test('to close it ends all walks, and leaves no timer', async () => {
    await using node = await scriptedNode()
    const { walker, isOver } = await walking(node, 20)
    walker.close()
    await node.clock.advanceAsync(0)
    assert.equal(isOver(), true)
    assert.equal(node.clock.timerCount, 0)
    walker.answered(topic, { key: 'node 20', members: 0, nearer: [rankAt(10)], busy: false })
  })

  test('begins no walk after it was closed: who waited for dials until then asks too late', async () => {
    await using node = await scriptedNode()
    const { walker, links } = await walking(node, 20)
    walker.close()
    await walker.walk(topic)
    assert.equal(links.dialled.length, 1)
    assert.equal(node.clock.timerCount, 0)
  })
})
