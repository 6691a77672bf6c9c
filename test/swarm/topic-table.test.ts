import assert from 'node:assert/strict'
import { describe, test } from 'vitest'
import { digestOf, type Digest } from '../../src/core/digest.ts'
import type { FoundPeer } from '../../src/discovery/combined-discovery.ts'
import type { JoinWalker } from '../../src/swarm/join-walker.ts'
import { TopicTable, type TopicDiscovery } from '../../src/swarm/topic-table.ts'
import type { ControlMessage } from '../../src/wire/messages.ts'
import { scriptedLinks, type ScriptedLinks } from '../support/scripted-links.ts'
import { scriptedNode, type ScriptedNode } from '../support/scripted-link.ts'

const topic = digestOf(Buffer.from('topic'))

interface Tabled extends Disposable {
  readonly table: TopicTable
  readonly links: ScriptedLinks
  readonly walks: Digest[]
  /** `provide`, `withdraw` and `find`, as they were called. */
  readonly told: string[]
}

/** A table whose discovery finds what a test gives it, and never ends when it gives nothing. */
function tableOn(node: ScriptedNode, found?: readonly FoundPeer[], walk: () => Promise<void> = async () => {}): Tabled {
  const links = scriptedLinks(node)
  const walks: Digest[] = []
  const told: string[] = []
  const walker = {
    walk: (of: Digest) => {
      walks.push(of)
      return walk()
    },
  } as unknown as JoinWalker
  const discovery: TopicDiscovery = {
    provide: async (of) => void told.push(`provide ${of === topic ? 'topic' : 'other'}`),
    withdraw: async (of) => void told.push(`withdraw ${of === topic ? 'topic' : 'other'}`),
    async *findPeers(_of, { signal }) {
      told.push('find')
      if (!found) await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true }))
      yield* found ?? []
    },
  }
  const table = new TopicTable(node.context, links.manager, walker)
  table.start(discovery)
  return { table, links, walks, told, [Symbol.dispose]: () => table.close() }
}

function joins(sent: readonly ControlMessage[]): [Digest, boolean][] {
  return sent.flatMap((message): [Digest, boolean][] => (message.type === 'join' ? [[message.topic, message.asks]] : []))
}

describe('topics of a node', () => {
  test('to enter one tells links and discovery, once', async () => {
    await using node = await scriptedNode()
    const { link } = node.link(1)
    using tabled = tableOn(node)
    for (let times = 0; times < 2; times++) tabled.table.enter(topic)
    assert.deepEqual(joins(link.sent), [[topic, false]])
    assert.deepEqual(tabled.told, ['provide topic'])
    assert.ok(tabled.table.has(topic))
    await tabled.table.leave(topic)
    assert.deepEqual(tabled.told, ['provide topic', 'withdraw topic'])
    assert.ok(!tabled.table.has(topic))
  })

  test('a new peer hears all of them, and is asked about those that load', async () => {
    await using node = await scriptedNode()
    using tabled = tableOn(node)
    const other = digestOf(Buffer.from('other'))
    for (const each of [topic, other]) tabled.table.enter(each)
    const end = tabled.table.load(topic)
    const { entry, link } = node.link(1)
    tabled.table.introduceTo(entry)
    assert.deepEqual(joins(link.sent), [[topic, true], [other, false]])
    end()
    assert.equal(tabled.table.isLoading(topic), false)
  })

  test('peers hear of them again after half an hour, for they forget them after an hour', async () => {
    await using node = await scriptedNode()
    const { link } = node.link(1)
    using tabled = tableOn(node)
    tabled.table.enter(topic)
    node.clock.advance(1_799_000)
    assert.equal(joins(link.sent).length, 1)
    node.clock.advance(1000)
    assert.deepEqual(joins(link.sent), [[topic, false], [topic, false]])
    node.clock.advance(1_800_000)
    assert.equal(joins(link.sent).length, 3)
  })

  test('a load counts once, however often it ends', async () => {
    await using node = await scriptedNode()
    using tabled = tableOn(node)
    tabled.table.enter(topic)
    const end = tabled.table.load(topic)
    end()
    end()
    assert.deepEqual(tabled.links.calls, ['load 1', 'load -1'])
  })

  test('256 are kept; the longest unused is left, but none that loads', async () => {
    await using node = await scriptedNode()
    using tabled = tableOn(node)
    const topics = Array.from({ length: 258 }, (_, index) => digestOf(Buffer.from(`topic ${index}`)))
    const [first = topic, second = topic, third = topic] = topics
    for (const each of topics.slice(0, 256)) tabled.table.enter(each)
    tabled.table.load(first)
    tabled.table.enter(second)
    for (const each of topics.slice(256)) tabled.table.enter(each)
    assert.deepEqual(topics.map((each) => tabled.table.has(each)).flatMap((has, index) => (has ? [] : [index])), [2, 3])
    assert.ok(tabled.table.has(first) && tabled.table.has(second) && !tabled.table.has(third))
  })
})

describe('a round of discovery', () => {
  test('is over when the walk is, whatever the DHT takes', async () => {
    await using node = await scriptedNode()
    const { promise, resolve } = Promise.withResolvers<void>()
    using tabled = tableOn(node, undefined, () => promise)
    tabled.table.enter(topic)
    let over = false
    const look = tabled.table.look(topic).then(() => (over = true))
    await node.clock.advanceAsync(0)
    assert.deepEqual([tabled.walks, over, tabled.told.includes('find')], [[topic], false, true])
    resolve()
    await look
  })

  test('what discovery finds is known, whenever it comes', async () => {
    await using node = await scriptedNode()
    using tabled = tableOn(node, [{ peerId: 'somebody', addresses: [], foundBy: 'dht' }])
    tabled.table.enter(topic)
    await tabled.table.look(topic)
    await node.clock.advanceAsync(0)
    assert.ok(tabled.links.calls.includes('found somebody'))
  })

  test('is repeated while something loads, after two seconds, then ever more seldom', async () => {
    await using node = await scriptedNode()
    using tabled = tableOn(node, [])
    tabled.table.enter(topic)
    const end = tabled.table.load(topic)
    await tabled.table.look(topic)
    await node.clock.advanceAsync(1500)
    assert.equal(tabled.walks.length, 1)
    await node.clock.advanceAsync(500)
    assert.equal(tabled.walks.length, 2)
    await node.clock.advanceAsync(3500)
    assert.equal(tabled.walks.length, 2)
    await node.clock.advanceAsync(500)
    assert.equal(tabled.walks.length, 3)
    end()
    await node.clock.advanceAsync(60_000)
    assert.equal(tabled.walks.length, 3)
  })

  test('of a topic that was not entered there is none', async () => {
    await using node = await scriptedNode()
    using tabled = tableOn(node)
    await tabled.table.look(topic)
    assert.deepEqual(tabled.walks, [])
  })

  test('to close the table leaves no timer', async () => {
    await using node = await scriptedNode()
    const { table } = tableOn(node)
    table.enter(topic)
    table.close()
    assert.equal(node.clock.timerCount, 0)
  })
})
