import assert from 'node:assert/strict'
import fc from 'fast-check'
import { describe, test } from 'vitest'
import { digestOf } from '../../src/core/digest.ts'
import { askOf, blob, blobOf, Desk, granted, inShort, nodeAt, the } from '../support/desk.ts'
import { fuzzRuns } from '../support/fuzz.ts'

const whole = [{ first: 0, count: 8 }]

describe('the lease desk: asks of its own session', () => {
  test('a node that is the nearest issues its own leases', () => {
    const desk = new Desk()
    desk.link(200)
    const effects = desk.want()
    assert.deepEqual(inShort(effects), ['answer from node 100'])
    assert.deepEqual(the('answer', effects).answer.grants, [{ source: undefined, runs: whole }])
  })

  test('ranks are asked in their order: a supernode, then the nearest, then itself', () => {
    const desk = new Desk()
    desk.link(900, { supernode: true })
    desk.link(60)
    assert.deepEqual(inShort(desk.want()), ['ask 900'])
    assert.deepEqual(inShort(desk.wait(999)), [])
    assert.deepEqual(inShort(desk.wait(1)), ['ask 60'])
    assert.deepEqual(inShort(desk.wait(1000)), ['answer from node 100'])
  })

  test('its answer is told with who gave it', () => {
    const desk = new Desk()
    desk.link(50)
    const { ask } = the('send-ask', desk.want({ number: 3, count: 5 }))
    assert.deepEqual(ask, askOf('node 100', { number: 3, count: 5 }))
    assert.deepEqual(the('answer', desk.told(50, 'node 100')), { type: 'answer', digest: blob.digest, answer: granted, from: 'node 50' })
    assert.equal(desk.state.desk.isWaiting, false)
  })

  test('a rank that is not linked is linked first, within 600 ms', () => {
    const desk = new Desk()
    desk.know(50, 60)
    assert.deepEqual(inShort(desk.want()), ['connect 50'])
    assert.deepEqual(inShort(desk.wait(599)), [])
    assert.deepEqual(inShort(desk.wait(1)), ['connect 60'])
    assert.deepEqual(inShort(desk.link(60)), ['ask 60'])
    // It was passed over.
    assert.deepEqual(inShort(desk.link(50)), [])
    assert.deepEqual(inShort(desk.told(60, 'node 100')), ['answer from node 60'])
  })

  test('one that cannot be reached, or whose link ends, is passed over at once', () => {
    const desk = new Desk()
    desk.know(50)
    desk.link(60)
    desk.want()
    assert.deepEqual(inShort(desk.tell({ type: 'connect:failed', key: 'node 50', refused: false })), ['ask 60'])
    assert.deepEqual(inShort(desk.unlink(60)), ['answer from node 100'])
  })

  test('silence is told when none of three ranks answers', () => {
    const desk = new Desk()
    for (const distance of [10, 20, 30, 40]) desk.link(distance)
    assert.deepEqual(inShort(desk.want()), ['ask 10'])
    assert.deepEqual(inShort(desk.wait(2999)), ['ask 20', 'ask 30'])
    assert.deepEqual(inShort(desk.wait(1)), ['silent'])
    assert.deepEqual(inShort(desk.told(10, 'node 100')), [])
  })

  test('answers of others than the one that was asked are none', () => {
    const desk = new Desk()
    desk.link(50)
    desk.link(60)
    desk.want()
    assert.deepEqual(desk.told(60, 'node 100'), [])
    assert.deepEqual(desk.told(50, 'somebody'), [])
    assert.equal(desk.state.desk.isWaiting, true)
  })

  test('giving back tells who granted, waits for nothing, and frees the pieces in the own book', () => {
    const desk = new Desk()
    desk.link(50)
    desk.want()
    desk.told(50, 'node 100')
    const back = desk.want({ number: 7, count: 0 })
    assert.deepEqual(inShort(back), ['ask 50'])
    assert.equal(the('send-ask', back).ask.count, 0)
    assert.equal(desk.state.desk.isWaiting, false)
    assert.deepEqual(desk.want({ number: 7, count: 0 }), [])

    const own = new Desk()
    own.want()
    own.want({ count: 0 })
    assert.equal(the('send-lease', own.asked(200, askOf('node 200'))).answer.number > 0, true)
  })
})

describe('the lease desk: trackers that change', () => {
  test('a session hears at once that the link to its tracker ended', () => {
    const desk = new Desk()
    desk.link(50)
    desk.want()
    desk.told(50, 'node 100')
    const effects = desk.unlink(50)
    assert.deepEqual(effects, [{ type: 'tracker-lost', digest: blob.digest }])
  })

  test('who gave the lease back has no tracker to lose', () => {
    const desk = new Desk()
    desk.link(50)
    desk.want()
    desk.told(50, 'node 100')
    desk.want({ number: 7, count: 0 })
    assert.deepEqual(desk.unlink(50), [])
  })

  test('another tracker is told that there was one, the same one is not', () => {
    const desk = new Desk()
    desk.link(50)
    desk.link(60)
    assert.equal(the('send-ask', desk.want()).ask.takeover, false)
    desk.told(50, 'node 100')
    assert.equal(the('send-ask', desk.want({ number: 7, held: whole })).ask.takeover, false)
    desk.told(50, 'node 100')
    desk.unlink(50)
    assert.equal(the('send-ask', desk.want({ number: 7, held: whole })).ask.takeover, true)
  })

  test('so is the node itself when it succeeds: it adopts what it holds, and issues nothing new for a second', () => {
    const desk = new Desk()
    desk.link(50)
    desk.want()
    desk.told(50, 'node 100', { ...granted, grants: [{ source: undefined, runs: [{ first: 0, count: 2 }] }] })
    desk.unlink(50)
    const held = [{ first: 0, count: 2 }]
    const { answer } = the('answer', desk.want({ number: 7, held, count: 6, wanted: [{ first: 2, count: 6 }] }))
    assert.deepEqual(answer.grants, [{ source: undefined, runs: held }])
    desk.link(200)
    const refused = the('send-lease', desk.asked(200, askOf('node 200'))).answer
    assert.equal(refused.number, 0)
    desk.now += 1000
    assert.ok(the('send-lease', desk.asked(200, askOf('node 200'))).answer.number > 0)
  })

  test('a node whose link was reset has lost its leases', () => {
    const desk = new Desk()
    desk.link(200)
    desk.link(300)
    assert.ok(the('send-lease', desk.asked(200, askOf('node 200'))).answer.number > 0)
    assert.equal(the('send-lease', desk.asked(300, askOf('node 300'))).answer.number, 0)
    desk.unlink(200)
    desk.now += 500
    assert.ok(the('send-lease', desk.asked(300, askOf('node 300'))).answer.number > 0)
  })
})

describe('the lease desk: asks of others', () => {
  test('whoever is the nearest issues, and answers where the ask came from', () => {
    const desk = new Desk()
    desk.link(200)
    const lease = the('send-lease', desk.asked(200, askOf('node 900', { hops: 1 })))
    assert.equal(lease.link, 200)
    assert.equal(lease.holder, 'node 900')
    assert.deepEqual(lease.answer.grants, [{ source: undefined, runs: whole }])
  })

  test('an ask goes to the nearest node of all, one hop older, and its answer comes back', () => {
    const desk = new Desk()
    for (const distance of [50, 60, 200]) desk.link(distance)
    const { link, ask } = the('send-ask', desk.asked(200, askOf('node 200', { hops: 1, takeover: true, region: 'west' })))
    assert.equal(link, 50)
    assert.deepEqual(ask, askOf('node 200', { hops: 2, takeover: true, region: 'west' }))
    const lease = the('send-lease', desk.told(50, 'node 200'))
    assert.deepEqual([lease.link, lease.holder, lease.answer], [200, 'node 200', granted])
    assert.equal(desk.state.desk.books.size, 0)
  })

  test('after three hops it goes no further', () => {
    const desk = new Desk()
    desk.link(50)
    desk.link(200)
    assert.deepEqual(inShort(desk.asked(200, askOf('node 200', { hops: 2 }))), ['ask 50'])
    assert.deepEqual(inShort(desk.asked(200, askOf('node 300', { hops: 3 }))), ['lease 200'])
  })

  test('a holder is not asked for its own lease', () => {
    const desk = new Desk()
    desk.link(50)
    assert.deepEqual(inShort(desk.asked(50, askOf('node 50'))), ['lease 50'])
  })

  test('a nearer node that is silent for 400 ms is passed over, before the asker passes us over: the node issues itself', () => {
    const desk = new Desk()
    for (const distance of [50, 60, 200]) desk.link(distance)
    desk.asked(200, askOf('node 200'))
    assert.deepEqual(desk.wait(399), [])
    assert.deepEqual(inShort(desk.wait(1)), ['lease 200'])
    // What comes now comes too late.
    assert.deepEqual(desk.told(50, 'node 200'), [])
  })

  test('so is one whose link ends', () => {
    const desk = new Desk()
    desk.link(50)
    desk.link(200)
    desk.asked(200, askOf('node 200'))
    assert.deepEqual(inShort(desk.unlink(50)), ['lease 200'])
  })

  test('asks of a link that ended are dropped', () => {
    const desk = new Desk()
    desk.link(50)
    desk.link(200)
    desk.asked(200, askOf('node 200'))
    assert.deepEqual(inShort(desk.unlink(200)), [])
    assert.equal(desk.state.desk.isWaiting, false)
    assert.deepEqual(desk.told(50, 'node 200'), [])
    assert.deepEqual(desk.wait(1000), [])
  })
})

describe('the lease desk: nodes that do not answer', () => {
  /** Node 50 lets an ask of our own wait for too long. */
  function silentFifty(): Desk {
    const desk = new Desk()
    desk.link(50)
    desk.link(60)
    desk.link(200)
    desk.want()
    desk.wait(1000)
    desk.told(60, 'node 100')
    return desk
  }

  test('are passed over for ten seconds, by asks of our own and of others', () => {
    const desk = silentFifty()
    assert.deepEqual(inShort(desk.want()), ['ask 60'])
    assert.deepEqual(inShort(desk.asked(200, askOf('node 200'))), ['ask 60'])
    desk.now += 9999
    assert.deepEqual(inShort(desk.asked(200, askOf('node 900'))), ['ask 60'])
    desk.now += 1
    assert.deepEqual(inShort(desk.asked(200, askOf('node 901'))), ['ask 50'])
  })

  test('are asked again as soon as they say something about leases', () => {
    for (const speak of [
      (desk: Desk) => desk.asked(50, askOf('node 50')),
      (desk: Desk) => desk.told(50, 'node 100'),
    ]) {
      const desk = silentFifty()
      speak(desk)
      assert.deepEqual(inShort(desk.want()), ['ask 50'])
    }
  })

  test('are not yet those that could not be linked in time: a crowd may keep them busy, and they get a second chance', () => {
    const desk = new Desk()
    desk.know(50)
    desk.want()
    const { answer } = the('answer', desk.wait(600))
    assert.deepEqual([answer.number, answer.retryAfterMs], [0, 500])
    assert.deepEqual(inShort(desk.want()), ['connect 50'])
    assert.ok(the('answer', desk.wait(600)).answer.number > 0, 'not a third one')
    assert.deepEqual(inShort(desk.want({ number: 1, held: whole })), ['answer from node 100'])
    desk.now += 10_000
    assert.deepEqual(inShort(desk.want({ number: 1, held: whole })), ['connect 50'])
  })
})

describe('the lease desk: a nearer node that is there and full', () => {
  const refused = { type: 'connect:failed', key: 'node 50', refused: true } as const

  test('is waited for: what it issues must not be issued here too', () => {
    const desk = new Desk()
    desk.know(50)
    desk.link(200)
    assert.deepEqual(inShort(desk.asked(200, askOf('node 200'))), ['connect 50'])
    const { answer, link, holder } = the('send-lease', desk.tell(refused))
    assert.deepEqual([link, holder, answer.number, answer.retryAfterMs], [200, 'node 200', 0, 500])
    assert.equal(desk.state.desk.books.size, 0)
  })

  test('is waited for by its own session as well', () => {
    const desk = new Desk()
    desk.know(50)
    desk.want()
    const { answer } = the('answer', desk.tell(refused))
    assert.deepEqual([answer.number, answer.retryAfterMs], [0, 500])
  })

  test('does not keep the next rank from issuing', () => {
    const desk = new Desk()
    desk.know(50)
    desk.link(60)
    desk.want()
    assert.deepEqual(inShort(desk.tell(refused)), ['ask 60'])
    assert.deepEqual(the('answer', desk.told(60, 'node 100')).answer, granted)
  })
})

describe('the lease desk: bounds', () => {
  test('256 asks wait for nearer nodes; more are told to come back', () => {
    const desk = new Desk()
    desk.link(50)
    desk.link(200)
    for (let holder = 1000; holder < 1256; holder++) {
      assert.deepEqual(inShort(desk.asked(200, askOf(`node ${holder}`))), ['ask 50'])
    }
    const { answer, link, holder } = the('send-lease', desk.asked(200, askOf('one more')))
    assert.deepEqual([link, holder, answer.number], [200, 'one more', 0])
    assert.ok(answer.retryAfterMs > 0)
    desk.told(50, 'node 1000')
    assert.deepEqual(inShort(desk.asked(200, askOf('one more'))), ['ask 50'])
  })

  test('1,024 books are kept: the longest unused is forgotten', () => {
    const desk = new Desk()
    desk.link(200)
    const blobs = Array.from({ length: 1025 }, (_, index) => blobOf(digestOf(Buffer.from(`blob ${index}`)), 1))
    const isLeased = (index: number): boolean => {
      const { answer } = the('send-lease', desk.asked(200, askOf('node 900'), blobs[index]))
      return answer.number === 0
    }
    for (const each of blobs.slice(0, 1024)) desk.asked(200, askOf('node 200'), each)
    assert.ok(isLeased(0))
    desk.asked(200, askOf('node 200'), blobs[1024])
    assert.equal(desk.state.desk.books.size, 1024)
    assert.ok(isLeased(0))
    assert.ok(isLeased(1024))
    assert.ok(!isLeased(1))
  })

  test('a book that nobody used for ten minutes is forgotten', () => {
    const desk = new Desk()
    desk.link(200)
    desk.asked(200, askOf('node 200'))
    desk.now += 600_000
    desk.tell({ type: 'tick' })
    assert.equal(desk.state.desk.books.size, 1)
    desk.now += 1
    desk.tell({ type: 'tick' })
    assert.equal(desk.state.desk.books.size, 0)
  })
})

describe('the lease desk in a network', () => {
  test('however views differ, an ask goes strictly nearer, three hops at most, and its asker hears within the time of its ranks', () => {
    const distances = fc.uniqueArray(fc.integer({ min: 1, max: 2000 }), { minLength: 2, maxLength: 14 })
    fc.assert(
      fc.property(distances, fc.array(fc.tuple(fc.nat(13), fc.nat(13)), { maxLength: 40 }), fc.array(fc.nat(13), { maxLength: 3 }), (all, pairs, mute) => {
        const desks = new Map(all.map((distance) => [distance, new Desk(distance)]))
        const links = new Set<string>()
        for (const [a, b] of pairs) {
          const [one, other] = [all[a % all.length] ?? 0, all[b % all.length] ?? 0]
          if (one === other || links.has(`${one} ${other}`)) continue
          for (const [from, to] of [[one, other], [other, one]] as const) {
            links.add(`${from} ${to}`)
            desks.get(from)?.link(to)
          }
        }
        const silent = new Set(mute.map((index) => all[index % all.length] ?? 0))
        const [asker = 0] = all
        silent.delete(asker)
        let outcomes = 0
        const hopsSeen: number[] = []
        const carry = (at: number, effects: ReturnType<Desk['tell']>): void => {
          for (const effect of effects) {
            if (effect.type === 'answer' || effect.type === 'silent') outcomes++
            if (effect.type !== 'send-ask' && effect.type !== 'send-lease') continue
            const to = desks.get(effect.link)
            if (effect.type === 'send-ask') {
              assert.ok(effect.link < at, 'strictly nearer')
              assert.ok(effect.ask.hops <= 3)
              hopsSeen.push(effect.ask.hops)
              if (to && !silent.has(effect.link)) carry(effect.link, to.asked(at, effect.ask))
            } else if (to) carry(effect.link, to.told(at, effect.holder, effect.answer))
          }
        }
        const desk = desks.get(asker)
        if (desk) carry(asker, desk.want())
        for (let waited = 0; waited <= 3000; waited += 50) for (const [at, each] of desks) carry(at, each.wait(50))
        assert.equal(outcomes, 1)
        assert.ok([...desks.values()].every((each) => !each.state.desk.isWaiting))
      }),
      fuzzRuns(300),
    )
  })

  test('the places of the tests are what they say', () => {
    assert.deepEqual(Array.from(nodeAt(259).place.slice(0, 3)), [1, 3, 0])
  })
})
