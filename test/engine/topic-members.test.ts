import assert from 'node:assert/strict'
import fc from 'fast-check'
import { describe, test } from 'vitest'
import { digestOf, type Digest } from '../../src/core/digest.ts'
import { seededRandom } from '../../src/core/random.ts'
import { TopicMembers, type TopicMember } from '../../src/engine/topic-members.ts'
import { fuzzRuns } from '../support/fuzz.ts'

const topic = topicOf(0)
const hourMs = 3_600_000

function topicOf(number: number): Digest {
  return digestOf(Buffer.from(`topic ${number}`))
}

/** `region/zone/rack/anything` */
function member(key: string): TopicMember {
  const [region = '', zone = '', rack = ''] = key.split('/')
  return { key, location: { region, zone, rack } }
}

function choose(members: TopicMembers, asker = 'asker', options: { now?: number; of?: Digest; seed?: number } = {}): string[] {
  const { now = 0, of = topic, seed = 1 } = options
  return members.choose(of, member(asker), now, seededRandom(seed))
}

/** Each links by itself and joins. */
function joined(keys: readonly string[]): TopicMembers {
  const members = new TopicMembers()
  for (const [index, key] of keys.entries()) members.joined(topic, member(key), index + 1, 0)
  return members
}

function numbered(count: number, prefix = 'node'): string[] {
  return Array.from({ length: count }, (_, index) => `${prefix}/${index}`)
}

describe('members of a topic', () => {
  test('all who joined are named while they are few, but never the asker', () => {
    const members = joined(['a', 'b', 'c'])
    assert.deepEqual(choose(members, 'b').toSorted(), ['a', 'c'])
    assert.deepEqual(choose(members, 'd').toSorted(), ['a', 'b', 'c'])
    assert.deepEqual(choose(members, 'a', { of: topicOf(1) }), [])
  })

  test('of many, sixteen are named', () => {
    const named = choose(joined(numbered(200)))
    assert.equal(named.length, 16)
    assert.equal(new Set(named).size, 16)
  })

  test('the same rack first, then the zone, then the region', () => {
    const near = [...numbered(3, 'r/z/k'), ...numbered(4, 'r/z/other'), ...numbered(5, 'r/other/k')]
    const named = choose(joined([...numbered(100, 'far/z/k'), ...near]), 'r/z/k/asker')
    assert.deepEqual(near.filter((key) => !named.includes(key)), [])
    // The last four are drawn, whoever they are.
    const nearest = named.slice(0, 12).map((key) => ['r/z/k', 'r/z/', 'r/'].findIndex((prefix) => key.startsWith(prefix)))
    assert.deepEqual(nearest, nearest.toSorted((a, b) => (a < 0 ? 3 : a) - (b < 0 ? 3 : b)))
  })

  test('a quarter is drawn from all of them, so that far members are named as well', () => {
    const members = joined([...numbered(50, 'r/z/k'), ...numbered(50, 'far/z/k')])
    let far = 0
    for (let seed = 1; seed <= 50; seed++) {
      const named = choose(members, 'r/z/k/asker', { seed })
      const count = named.filter((key) => key.startsWith('far')).length
      assert.ok(count <= 4)
      far += count
    }
    // Half of the four are far in the mean.
    assert.ok(far >= 70 && far <= 130, `${far} far members in 50 answers`)
  })

  test('of those that are equally near, not always the same ones are named', () => {
    const members = joined(numbered(40, 'r/z/k'))
    const named = new Set(Array.from({ length: 40 }, (_, seed) => choose(members, 'r/z/k/asker', { seed })).flat())
    assert.equal(named.size, 40)
  })

  test('what a link told is forgotten with it, and only that', () => {
    const members = joined(['a', 'b'])
    members.told(topic, member('c'), 0)
    members.left(1)
    assert.deepEqual(choose(members).toSorted(), ['b', 'c'])
    members.left(2)
    members.left(2)
    assert.deepEqual(choose(members), ['c'])
    assert.deepEqual(members.linksOf(topic), [])
  })

  test('what a link told is old after an hour, unless it says so again', () => {
    const members = joined(['a', 'b'])
    members.joined(topic, member('b'), 2, hourMs - 1)
    assert.deepEqual(choose(members, 'asker', { now: hourMs - 1 }).toSorted(), ['a', 'b'])
    assert.deepEqual(choose(members, 'asker', { now: hourMs }), ['b'])
  })

  test('what others told is old after ten minutes', () => {
    const members = new TopicMembers()
    members.told(topic, member('a'), 0)
    assert.deepEqual(choose(members, 'asker', { now: 599_999 }), ['a'])
    assert.deepEqual(choose(members, 'asker', { now: 600_000 }), [])
  })

  test('what others say of a member does not stand in place of what it said itself', () => {
    const members = joined(['a'])
    members.told(topic, member('a'), 0)
    assert.deepEqual(choose(members, 'asker', { now: 600_000 }), ['a'])
    assert.deepEqual(members.linksOf(topic), [1])
  })

  test('who links again under another number is known once, and outlives its first link', () => {
    const members = joined(['a'])
    members.joined(topic, member('a'), 9, 0)
    members.left(1)
    assert.deepEqual(choose(members), ['a'])
    assert.deepEqual(members.linksOf(topic), [9])
  })
})

describe('bounds of the members', () => {
  test('a topic has at most 1,024; the oldest is forgotten', () => {
    const members = joined(numbered(1025))
    assert.equal(members.linksOf(topic).length, 1024)
    assert.ok(!members.linksOf(topic).includes(1))
    // Who says it again is new.
    members.joined(topic, member('node/1'), 2, 0)
    members.joined(topic, member('node/new'), 2000, 0)
    assert.ok(members.linksOf(topic).includes(2))
    assert.ok(!members.linksOf(topic).includes(3))
  })

  test('there are at most 4,096 topics; the oldest is forgotten', () => {
    const members = new TopicMembers()
    for (let number = 0; number < 4097; number++) members.joined(topicOf(number), member('a'), 1 + (number >> 10), 0)
    assert.equal(members.topicCount, 4096)
    assert.deepEqual(choose(members, 'asker', { of: topicOf(0) }), [])
    assert.deepEqual(choose(members, 'asker', { of: topicOf(1) }), ['a'])
  })

  test('one link joins at most 1,024 topics; the one it joined first is forgotten', () => {
    const members = new TopicMembers()
    members.joined(topicOf(0), member('b'), 2, 0)
    for (let number = 0; number < 1025; number++) members.joined(topicOf(number), member('a'), 1, 0)
    assert.deepEqual(members.linksOf(topicOf(0)), [2])
    assert.deepEqual(members.linksOf(topicOf(1)), [1])
    assert.equal(members.topicCount, 1025)
    members.left(1)
    assert.equal(members.topicCount, 1)
  })

  test('whatever happens, tables keep to their bounds and nobody is named twice', () => {
    const act = fc.oneof(
      fc.record({ type: fc.constant('joined' as const), topic: fc.nat(5), who: fc.nat(30), link: fc.nat(8) }),
      fc.record({ type: fc.constant('told' as const), topic: fc.nat(5), who: fc.nat(30), link: fc.nat(8) }),
      fc.record({ type: fc.constant('left' as const), topic: fc.nat(5), who: fc.nat(30), link: fc.nat(8) }),
    )
    fc.assert(
      fc.property(fc.array(act, { maxLength: 100 }), fc.nat(), (acts, seed) => {
        const members = new TopicMembers()
        const open = new Set<number>()
        for (const { type, topic: number, who, link } of acts) {
          const about = member(`node/${who}`)
          if (type === 'joined') members.joined(topicOf(number), about, link, 0)
          else if (type === 'told') members.told(topicOf(number), about, 0)
          else members.left(link)
          if (type === 'joined') open.add(link)
          if (type === 'left') open.delete(link)
          const named = choose(members, `node/${who}`, { of: topicOf(number), seed })
          assert.equal(new Set(named).size, named.length)
          assert.ok(named.length <= 16 && !named.includes(`node/${who}`))
          assert.ok(members.linksOf(topicOf(number)).every((each) => open.has(each)))
        }
        for (const link of open) members.left(link)
        for (let number = 0; number <= 5; number++) assert.deepEqual(members.linksOf(topicOf(number)), [])
      }),
      fuzzRuns(300),
    )
  })
})
