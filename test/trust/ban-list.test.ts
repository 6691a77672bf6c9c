import assert from 'node:assert/strict'
import fc from 'fast-check'
import { describe, test } from 'vitest'
import { BanList, firstBanMs, maxBanMs, type Verdict } from '../../src/trust/ban-list.ts'
import { fuzzRuns } from '../support/fuzz.ts'

const hourMs = 3_600_000
const dayMs = 24 * hourMs

describe('a ban', () => {
  test('lasts an hour, and twice as long each time, up to a day', () => {
    const list = new BanList()
    let now = 1000
    for (const hours of [1, 2, 4, 8, 16, 24, 24]) {
      const { untilMs } = list.convict('liar', 'claim', undefined, now)
      assert.equal(untilMs - now, hours * hourMs)
      assert.equal(list.isBanned('liar', untilMs - 1), true)
      assert.equal(list.isBanned('liar', untilMs), false)
      now = untilMs
    }
    assert.equal(list.isBanned('another', now), false)
  })

  test('is forgotten step by step, a day for each', () => {
    const list = new BanList()
    let now = list.convict('liar', 'claim', undefined, 0).untilMs
    now = list.convict('liar', 'claim', undefined, now).untilMs
    const { untilMs } = list.convict('liar', 'claim', undefined, now + dayMs)
    assert.equal(untilMs - now - dayMs, 2 * hourMs)
    assert.equal(list.convict('liar', 'claim', undefined, untilMs + 5 * dayMs).untilMs - untilMs - 5 * dayMs, hourMs)
  })

  test('is not doubled for pieces that were under way when it began', () => {
    const list = new BanList()
    const first = list.convict('liar', 'piece-hash', undefined, 0)
    const second = list.convict('liar', 'piece-hash', undefined, 10)
    assert.deepEqual([first.isNew, second.isNew, second.untilMs], [true, false, firstBanMs])
    assert.equal(list.convict('liar', 'piece-hash', undefined, firstBanMs).untilMs, 3 * hourMs)
  })

  test('falls with the last verdict that holds it, and is not remembered then', () => {
    const list = new BanList()
    const first = list.convict('peer', 'claim', undefined, 0)
    const second = list.convict('peer', 'piece-hash', undefined, 10)
    assert.equal(first.reverse(20), false)
    assert.equal(first.reverse(20), false)
    assert.equal(list.isBanned('peer', 20), true)
    assert.equal(second.reverse(30), true)
    assert.equal(list.isBanned('peer', 30), false)
    assert.equal(list.size, 0)
    assert.equal(list.convict('peer', 'claim', undefined, 40).untilMs, 40 + hourMs)
  })

  test('of three peers of a prefix within an hour closes the prefix for an hour', () => {
    const list = new BanList()
    list.convict('a', 'claim', '192.0.2/24', 0)
    list.convict('b', 'claim', '192.0.2/24', 10)
    list.convict('b', 'claim', '192.0.2/24', 20)
    list.convict('x', 'claim', undefined, 30)
    list.convict('y', 'claim', '198.51.100/24', 30)
    assert.equal(list.isCooling('192.0.2/24', 40), false)
    const third = list.convict('c', 'claim', '192.0.2/24', hourMs - 1)
    assert.equal(list.isCooling('192.0.2/24', hourMs), true)
    assert.equal(list.isCooling('198.51.100/24', hourMs), false)
    assert.equal(third.reverse(hourMs), true)
    assert.equal(list.isCooling('192.0.2/24', hourMs), false)
    list.convict('d', 'claim', '192.0.2/24', hourMs + 10)
    assert.equal(list.isCooling('192.0.2/24', hourMs + 10), false)
  })

  test('follows the fourth suspicion within minutes, and none that are far between', () => {
    const list = new BanList()
    assert.deepEqual([0, 1, 2, 3].map((now) => list.suspect('flood', now)), [false, false, false, true])
    for (let now = 0; now < 100 * hourMs; now += 600_000) assert.equal(list.suspect('clumsy', now), false)
  })

  test('comes later for who did good in between', () => {
    const list = new BanList()
    assert.equal(list.suspect('peer', 0), false)
    for (let piece = 0; piece < 20; piece++) list.vouch('peer', 0)
    assert.deepEqual([1, 2, 3, 4, 5, 6, 7].map((now) => list.suspect('peer', now)), [false, false, false, false, false, false, false])
    assert.equal(list.suspect('peer', 8), true)
  })

  test('outlives the process, its memory too', () => {
    const list = new BanList()
    list.convict('once', 'claim', undefined, 0)
    list.convict('twice', 'claim', undefined, 0)
    list.convict('twice', 'limit', undefined, hourMs)
    const next = new BanList()
    next.restore(list.save(1.5 * hourMs), hourMs, 7)
    assert.equal(next.isBanned('once', 7), false)
    assert.equal(next.untilMs('twice', 7), 7 + 0.5 * hourMs)
    assert.equal(next.convict('once', 'claim', undefined, 7).untilMs, 7 + 2 * hourMs)
    assert.equal(next.convict('twice', 'claim', undefined, hourMs).untilMs, 5 * hourMs)
  })

  test('neither ends nor grows when the clock was set back between two processes', () => {
    const list = new BanList()
    list.convict('liar', 'claim', undefined, 0)
    const next = new BanList()
    next.restore(list.save(0), -365 * dayMs, 100)
    assert.equal(next.untilMs('liar', 100), 100 + hourMs)
  })
})

const act = fc.record({
  who: fc.nat(6).map((number) => `peer ${number}`),
  waitMs: fc.constantFrom(0, 1, 60_000, hourMs, 13 * hourMs, 3 * dayMs),
  what: fc.constantFrom('convict', 'convict', 'reverse', 'suspect', 'vouch', 'restart'),
  verdict: fc.nat(20),
})

describe('any history of bans', () => {
  test('bans nobody for more than a day, and frees whose every verdict fell', () => {
    fc.assert(
      fc.property(fc.array(act, { maxLength: 60 }), (acts) => {
        let list = new BanList()
        let standing: { who: string; verdict: Verdict }[] = []
        let now = 0
        for (const { who, waitMs, what, verdict } of acts) {
          now += waitMs
          if (what === 'convict') {
            standing.push({ who, verdict: list.convict(who, 'claim', 'prefix', now) })
            assert.equal(list.isBanned(who, now), true)
          } else if (what === 'reverse') {
            for (const { verdict: reversed } of standing.splice(verdict % Math.max(1, standing.length), 1)) reversed.reverse(now)
          } else if (what === 'suspect') list.suspect(who, now)
          else if (what === 'vouch') list.vouch(who, now)
          else {
            const next = new BanList()
            next.restore(list.save(now), 0, now)
            for (let peer = 0; peer <= 6; peer++) {
              assert.equal(next.isBanned(`peer ${peer}`, now), list.isBanned(`peer ${peer}`, now))
            }
            list = next
            standing = []
            break
          }
          for (let peer = 0; peer <= 6; peer++) {
            const name = `peer ${peer}`
            assert.ok(list.untilMs(name, now) <= now + maxBanMs)
            if (!standing.some(({ who: convicted }) => convicted === name)) assert.equal(list.isBanned(name, now), false, name)
          }
          if (standing.length < 3) assert.equal(list.isCooling('prefix', now), false)
        }
      }),
      fuzzRuns(10_000),
    )
  })

  test('remembers a bounded number of peers, those that are banned longest', () => {
    const list = new BanList()
    for (let peer = 0; peer < 5000; peer++) list.convict(`peer ${peer}`, 'limit', 'prefix', peer)
    assert.equal(list.size, 4096)
    assert.equal(list.isBanned('peer 4999', 5000), true)
    assert.equal(list.isBanned('peer 0', 5000), false)
  })
})
