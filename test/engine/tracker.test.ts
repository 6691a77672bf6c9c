import assert from 'node:assert/strict'
import fc from 'fast-check'
import { describe, test } from 'vitest'
import { digestOf, type Digest } from '../../src/core/digest.ts'
import { trackerWakeAtMs } from '../../src/engine/tracker.ts'
import type { TrackerEffect } from '../../src/engine/tracker-event.ts'
import { askOf, Desk, inShort, nodeAt, the } from '../support/desk.ts'
import { fuzzRuns } from '../support/fuzz.ts'

const topic = digestOf(Buffer.from('topic'))
const place = new Uint8Array(32)

function join(desk: Desk, link: number, options: { asks?: boolean; of?: Digest } = {}): TrackerEffect[] {
  const { asks = true, of = topic } = options
  return desk.tell({ type: 'topic:joined', link, topic: of, place, asks, ranks: desk.ranks })
}

function holdOff(desk: Desk, durationMs: number, link?: number): TrackerEffect[] {
  return desk.tell({ type: 'host:held-off', topic, durationMs, link, ranks: desk.ranks })
}

function linked(...distances: readonly number[]): Desk {
  const desk = new Desk()
  for (const distance of distances) desk.link(distance)
  return desk
}

describe('a tracker: joins', () => {
  test('who asks hears who joined before, and who is nearer, itself and the asker aside', () => {
    const desk = linked(200, 300, 60)
    desk.know(50, 150)
    join(desk, 200)
    const { members, nearer, busy, link } = the('introduce', join(desk, 300))
    assert.deepEqual([link, members, nearer, busy], [300, ['node 200'], ['node 50', 'node 60'], false])
    assert.deepEqual(the('introduce', join(desk, 60)).nearer, ['node 50'])
  })

  test('who only tells is not answered, and is named to others', () => {
    const desk = linked(200, 300)
    assert.deepEqual(join(desk, 200, { asks: false }), [])
    assert.deepEqual(the('introduce', join(desk, 300)).members, ['node 200'])
  })

  test('at most eight nearer nodes are named, supernodes first', () => {
    const desk = linked(200)
    desk.know(...Array.from({ length: 20 }, (_, index) => 50 + index))
    desk.link(900, { supernode: true })
    const { nearer } = the('introduce', join(desk, 200))
    assert.equal(nearer.length, 8)
    assert.deepEqual(nearer.slice(0, 2), ['node 900', 'node 50'])
  })

  test('members that others named are passed on, but never itself', () => {
    const desk = linked(200)
    const members = [nodeAt(300), nodeAt(100)]
    desk.tell({ type: 'members:told', topic, members })
    assert.deepEqual(the('introduce', join(desk, 200)).members, ['node 300'])
  })

  test('whose link ended is named no more, and its messages that are late are dropped', () => {
    const desk = linked(200, 300)
    join(desk, 200)
    desk.unlink(200)
    assert.deepEqual(join(desk, 200), [])
    assert.deepEqual(the('introduce', join(desk, 300)).members, [])
  })

  test('after 64 joins in 100 ms it is busy, and names whom it knows', () => {
    const desk = new Desk()
    for (let index = 0; index < 66; index++) desk.link(1000 + index)
    for (let index = 0; index < 64; index++) assert.equal(the('introduce', join(desk, 1000 + index)).busy, false)
    const { busy, members } = the('introduce', join(desk, 1064))
    assert.equal(busy, true)
    assert.equal(members.length, 16)
    desk.now += 99
    assert.equal(the('introduce', join(desk, 1065)).busy, true)
    desk.now += 1
    assert.equal(the('introduce', join(desk, 1065)).busy, false)
  })

  test('those who only tell do not make it busy', () => {
    const desk = linked(200)
    for (let index = 0; index < 100; index++) join(desk, 200, { asks: false })
    assert.equal(the('introduce', join(desk, 200)).busy, false)
  })
})

describe('a tracker: hosts that want to be left alone', () => {
  test('who heard it from the host tells the ranks that are linked, and the links that read from there', () => {
    const desk = linked(50, 200, 300)
    desk.know(60)
    join(desk, 200, { asks: false })
    const effects = desk.tell({ type: 'host:held-off', topic, durationMs: 5000, link: undefined, ranks: desk.ranks.slice(0, 2) })
    assert.deepEqual(inShort(effects).toSorted(), ['hold-off 200', 'hold-off 50'])
    assert.ok(effects.every((effect) => effect.type === 'send-hold-off' && effect.durationMs === 5000))
  })

  test('the tracker passes it on to those who joined, but for who said it', () => {
    const desk = linked(200, 300, 400)
    for (const link of [200, 300]) join(desk, link)
    assert.deepEqual(inShort(holdOff(desk, 5000, 200)), ['hold-off 300'])
  })

  test('what it knows already goes no further', () => {
    const desk = linked(200, 300)
    for (const link of [200, 300]) join(desk, link)
    holdOff(desk, 5000, 200)
    assert.deepEqual(holdOff(desk, 5100, 300), [])
    desk.now += 1000
    assert.deepEqual(holdOff(desk, 4000, 300), [])
    assert.deepEqual(inShort(holdOff(desk, 5000, 300)), ['hold-off 200'])
  })

  test('who joins later hears how long it lasts yet, asked or not', () => {
    const desk = linked(200, 300)
    holdOff(desk, 5000)
    desk.now += 2000
    assert.equal(the('send-hold-off', join(desk, 200)).durationMs, 3000)
    assert.equal(the('send-hold-off', join(desk, 300, { asks: false })).durationMs, 3000)
    desk.now += 3000
    assert.deepEqual(inShort(join(desk, 200)), ['introduce'])
  })

  test('of other hosts nobody hears', () => {
    const desk = linked(200)
    holdOff(desk, 5000)
    assert.deepEqual(inShort(join(desk, 200, { of: digestOf(Buffer.from('another')) })), ['introduce'])
  })
})

describe('a tracker, whatever is told', () => {
  test('it stays within its bounds, wakes in the future, and forgets who is gone', () => {
    const link = fc.integer({ min: 1, max: 12 }).map((index) => index * 20)
    const act = fc.record({
      type: fc.constantFrom('open', 'close', 'join', 'ask', 'told', 'want', 'hold', 'wait', 'failed'),
      link,
      holder: link,
      hops: fc.nat(3),
    })
    fc.assert(
      fc.property(fc.array(act, { maxLength: 120 }), (acts) => {
        const desk = new Desk()
        desk.know(10, 30, 50)
        for (const { type, link: each, holder, hops } of acts) {
          const isOpen = desk.state.links.has(each)
          if (type === 'open' && !isOpen && each !== 100) desk.link(each)
          else if (type === 'close') desk.unlink(each)
          else if (type === 'join') join(desk, each)
          else if (type === 'ask' && isOpen) desk.asked(each, askOf(`node ${holder}`, { hops }))
          else if (type === 'told') desk.told(each, `node ${holder}`)
          else if (type === 'want') desk.want()
          else if (type === 'hold') holdOff(desk, 1000, isOpen ? each : undefined)
          else if (type === 'failed') desk.tell({ type: 'connect:failed', key: `node ${each}`, refused: false })
          else if (type === 'wait') desk.wait(hops * 300)
          const wakeMs = trackerWakeAtMs(desk.state)
          assert.ok(wakeMs === undefined || wakeMs > desk.now)
          for (const book of desk.state.desk.books.values()) {
            assert.ok(book.holders(desk.now).length <= 12)
            assert.deepEqual(book.broken(desk.now), [])
          }
        }
        for (const open of Array.from(desk.state.links.keys())) desk.unlink(open)
        desk.wait(2000)
        assert.equal(desk.state.desk.isWaiting, false)
        assert.equal(desk.state.members.topicCount, 0)
        assert.equal(desk.state.linkByKey.size, 0)
      }),
      fuzzRuns(300),
    )
  })
})
