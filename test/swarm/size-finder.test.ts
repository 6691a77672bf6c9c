import assert from 'node:assert/strict'
import { describe, test } from 'vitest'
import { digestOf } from '../../src/core/digest.ts'
import type { Origin } from '../../src/core/origin.ts'
import { SizeFinder, type FoundSize } from '../../src/swarm/size-finder.ts'
import { emptyCopy } from '../../src/swarm/swarm-context.ts'
import type { BitfieldMessage } from '../../src/wire/messages.ts'
import { scriptedNode, type ScriptedNode } from '../support/scripted-link.ts'

const digest = digestOf(Buffer.from('blob'))

function holds(sizeBytes: number): BitfieldMessage {
  return { ...emptyCopy(digest, sizeBytes), complete: true }
}

function originOf(sizeBytes: number | undefined): Origin {
  return {
    name: 'origin',
    read: async () => ({ sizeBytes, usedCredentials: false, chunks: (async function* () { yield Buffer.from('x') })() }),
  }
}

function find(
  finder: SizeFinder,
  request: { origin?: Origin; maxBytes?: number; distrusted?: number[]; signal?: AbortSignal; settled?: Promise<void> } = {},
): Promise<FoundSize> {
  const { origin, maxBytes = 1000, distrusted = [], signal, settled = Promise.resolve() } = request
  return finder.find(digest, { origin, maxBytes, settled, distrusted: new Set(distrusted), signal, repositories: [], asksLinks: true })
}

function peers(node: ScriptedNode): ReturnType<ScriptedNode['link']>[] {
  return [node.link(1), node.link(2)]
}

describe('SizeFinder', () => {
  test('asks all links, and takes the first word of a holder', async () => {
    await using node = await scriptedNode()
    const finder = new SizeFinder(node.context)
    const [first, second] = peers(node)
    const found = find(finder)
    for (const peer of [first, second]) assert.deepEqual(peer?.link.sent, [{ ...emptyCopy(digest, 0), wants: true }])
    if (first) finder.receive(first.entry, emptyCopy(digest, 0))
    if (second) finder.receive(second.entry, holds(500))
    assert.deepEqual(await found, { sizeBytes: 500, link: 2, private: false })
  })

  test('leaves no timer when a holder answered before discovery was over', async () => {
    await using node = await scriptedNode()
    const finder = new SizeFinder(node.context)
    const [first] = peers(node)
    const { promise: settled, resolve } = Promise.withResolvers<void>()
    const found = find(finder, { settled })
    if (first) finder.receive(first.entry, holds(500))
    await found
    resolve()
    await node.clock.advanceAsync(0)
    assert.equal(node.clock.timerCount, 0)
  })

  test('the origin is asked as soon as all links have said that they do not know', async () => {
    await using node = await scriptedNode()
    const finder = new SizeFinder(node.context)
    const found = find(finder, { origin: originOf(700) })
    assert.deepEqual(await found, { sizeBytes: 700, link: undefined, private: false })
    const [first, second] = peers(node)
    const later = find(finder, { origin: originOf(700) })
    await node.clock.advanceAsync(0)
    if (first) finder.receive(first.entry, emptyCopy(digest, 0))
    finder.detach(2)
    assert.deepEqual(await later, { sizeBytes: 700, link: undefined, private: false })
    assert.ok(second)
  })

  test('who asks the same has not answered', async () => {
    await using node = await scriptedNode()
    const finder = new SizeFinder(node.context)
    const { entry } = node.link(1)
    let found: FoundSize | undefined
    const done = find(finder, { origin: originOf(700) }).then((size) => (found = size))
    await node.clock.advanceAsync(0)
    finder.receive(entry, { ...emptyCopy(digest, 0), wants: true })
    await node.clock.advanceAsync(0)
    assert.equal(found, undefined)
    finder.receive(entry, holds(500))
    assert.deepEqual(await done, { sizeBytes: 500, link: 1, private: false })
  })

  test('silence is waited for three seconds where there is no origin', async () => {
    await using node = await scriptedNode()
    const finder = new SizeFinder(node.context)
    const [first] = peers(node)
    const found = find(finder)
    await node.clock.advanceAsync(2999)
    if (first) finder.receive(first.entry, holds(500))
    assert.deepEqual(await found, { sizeBytes: 500, link: 1, private: false })
    const missing = assert.rejects(find(finder), { code: 'ERR_SWARM_NO_SOURCE' })
    await node.clock.advanceAsync(3000)
    await missing
  })

  test('the blob itself tells its size, unless it is too large', async () => {
    await using node = await scriptedNode()
    const finder = new SizeFinder(node.context)
    peers(node)
    const found = find(finder)
    finder.arrived(digest, 1001)
    finder.arrived(digestOf(Buffer.from('another')), 5)
    finder.arrived(digest, 900)
    assert.deepEqual(await found, { sizeBytes: 900, link: undefined, private: false })
  })

  test('the origin is asked under a lease, which is given back whatever it says', async () => {
    for (const origin of [originOf(700), originOf(undefined)]) {
      await using node = await scriptedNode()
      const asks: string[] = []
      const { ask, ...leases } = node.context.leases
      const noted: typeof ask = (of, layout, what, listener) => {
        asks.push(what.count > 0 ? 'asked' : 'given back')
        ask(of, layout, what, listener)
      }
      const finder = new SizeFinder({ ...node.context, leases: { ...leases, ask: noted } })
      await find(finder, { origin }).catch(() => {})
      assert.deepEqual(asks, ['asked', 'given back'])
      const [event] = node.context.history.of(digest)
      assert.ok(event?.type === 'origin:asked' && event.reason === 'size')
    }
  })

  test('silence is waited for one second', async () => {
    await using node = await scriptedNode()
    const finder = new SizeFinder(node.context)
    peers(node)
    let found: FoundSize | undefined
    const done = find(finder, { origin: originOf(700) }).then((size) => (found = size))
    await node.clock.advanceAsync(999)
    assert.equal(found, undefined)
    await node.clock.advanceAsync(1)
    assert.deepEqual(await done, { sizeBytes: 700, link: undefined, private: false })
  })

  test('neither a distrusted peer nor one that names too much is believed', async () => {
    await using node = await scriptedNode()
    const finder = new SizeFinder(node.context)
    const [first, second] = peers(node)
    const found = find(finder, { distrusted: [1], origin: originOf(700) })
    await node.clock.advanceAsync(0)
    if (first) finder.receive(first.entry, holds(500))
    if (second) finder.receive(second.entry, holds(1001))
    assert.deepEqual(await found, { sizeBytes: 700, link: undefined, private: false })
  })

  test('a link that opens meanwhile is asked too', async () => {
    await using node = await scriptedNode()
    const finder = new SizeFinder(node.context)
    const found = find(finder, { settled: new Promise(() => {}) })
    const { entry, link } = node.link(3)
    finder.attach(entry)
    assert.equal(link.sent.length, 1)
    finder.receive(entry, holds(9))
    assert.deepEqual(await found, { sizeBytes: 9, link: 3, private: false })
  })

  test('nothing larger than what was asked for is accepted of the origin either', async () => {
    await using node = await scriptedNode()
    const finder = new SizeFinder(node.context)
    await assert.rejects(find(finder, { origin: originOf(1001) }), { code: 'ERR_SWARM_NO_SOURCE' })
    await assert.rejects(find(finder, { origin: originOf(undefined) }), { code: 'ERR_SWARM_NO_SOURCE' })
    await assert.rejects(find(finder), { code: 'ERR_SWARM_NO_SOURCE' })
  })

  test('an abort ends it with the signal’s reason', async () => {
    await using node = await scriptedNode()
    const finder = new SizeFinder(node.context)
    peers(node)
    const controller = new AbortController()
    const found = find(finder, { signal: controller.signal })
    controller.abort(new RangeError('enough'))
    await assert.rejects(found, RangeError)
    await node.clock.advanceAsync(0)
    assert.equal(node.clock.timerCount, 0)
  })
})
