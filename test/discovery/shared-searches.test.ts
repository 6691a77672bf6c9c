import assert from 'node:assert/strict'
import { describe, test } from 'vitest'
import type { Digest } from '../../src/core/digest.ts'
import type { KnownPeer } from '../../src/discovery/discovery.ts'
import { SharedSearches } from '../../src/discovery/shared-searches.ts'
import { fakeClock } from '../../src/testing/fake-clock.ts'
import { idsFound, topicOf } from './kad-network.ts'

const topic = topicOf('a topic')

/** Searches that yield what they are told to, and remember how they ended. */
class Script {
  readonly started: Digest[] = []
  readonly aborted: boolean[] = []
  readonly gate = Promise.withResolvers<void>()
  peers: readonly string[] = ['first', 'second']

  readonly search = async function* (this: Script, of: Digest, signal: AbortSignal): AsyncGenerator<KnownPeer> {
    const index = this.started.push(of) - 1
    signal.addEventListener('abort', () => (this.aborted[index] = true))
    const [first, ...rest] = this.peers
    if (first) yield { peerId: first, addresses: [] }
    const left = Promise.withResolvers<void>()
    signal.addEventListener('abort', () => left.resolve())
    await Promise.race([this.gate.promise, left.promise])
    if (signal.aborted) return
    for (const peerId of rest) yield { peerId, addresses: [] }
  }.bind(this)
}

function open(): { script: Script; clock: ReturnType<typeof fakeClock>; searches: SharedSearches } {
  const script = new Script()
  const clock = fakeClock()
  return { script, clock, searches: new SharedSearches(clock, script.search) }
}

describe('SharedSearches', () => {
  test('readers of a topic share a search and each gets all of it, also who comes late', async () => {
    const { script, searches } = open()
    const early = searches.read(topic)
    assert.equal((await early.next()).value?.peerId, 'first')
    const late = idsFound(searches.read(topic))
    script.gate.resolve()
    assert.deepEqual(await late, ['first', 'second'])
    assert.deepEqual(await idsFound(early), ['second'])
    assert.equal(script.started.length, 1)
    searches.close()
  })

  test('topics have searches of their own', async () => {
    const { script, searches } = open()
    script.gate.resolve()
    await Promise.all([idsFound(searches.read(topic)), idsFound(searches.read(topicOf('another')))])
    assert.deepEqual(script.started, [topic, topicOf('another')])
    searches.close()
  })

  test('what was found answers for five seconds', async () => {
    const { script, clock, searches } = open()
    script.gate.resolve()
    await idsFound(searches.read(topic))
    clock.advance(4999)
    assert.deepEqual(await idsFound(searches.read(topic)), ['first', 'second'])
    assert.equal(script.started.length, 1)
    clock.advance(1)
    await idsFound(searches.read(topic))
    assert.equal(script.started.length, 2)
    searches.close()
    assert.equal(clock.timerCount, 0)
  })

  test('a search that found nobody is made again', async () => {
    const { script, clock, searches } = open()
    script.gate.resolve()
    script.peers = []
    assert.deepEqual(await idsFound(searches.read(topic)), [])
    script.peers = ['first']
    assert.deepEqual(await idsFound(searches.read(topic)), ['first'])
    searches.close()
    assert.equal(clock.timerCount, 0)
  })

  test('a search goes on while one reader is left, ends with the last, and is then made anew', async () => {
    const { script, searches } = open()
    const [one, two] = [searches.read(topic), searches.read(topic)]
    await one.next()
    await two.next()
    await one.return()
    assert.deepEqual(script.aborted, [])
    await two.return()
    assert.deepEqual(script.aborted, [true])
    script.gate.resolve()
    assert.deepEqual(await idsFound(searches.read(topic)), ['first', 'second'])
    assert.equal(script.started.length, 2)
    searches.close()
  })

  test('who comes while the last reader leaves gets all of it, whatever the moment', async () => {
    for (let moment = 0; moment < 20; moment++) {
      const { script, searches } = open()
      const leaving = searches.read(topic)
      await leaving.next()
      const left = leaving.return()
      for (let turn = 0; turn < moment; turn++) await Promise.resolve()
      const late = idsFound(searches.read(topic))
      await left
      script.gate.resolve()
      assert.deepEqual(await late, ['first', 'second'], `after ${moment} turns`)
      await idsFound(searches.read(topic))
      assert.ok(script.started.length <= 2)
      searches.close()
    }
  })

  test('aborting one reader leaves the others', async () => {
    const { script, searches } = open()
    const reason = new RangeError('enough')
    const controller = new AbortController()
    const aborted = idsFound(searches.read(topic, controller.signal))
    const other = idsFound(searches.read(topic))
    controller.abort(reason)
    await assert.rejects(aborted, reason)
    script.gate.resolve()
    assert.deepEqual(await other, ['first', 'second'])
    searches.close()
  })

  test('closing ends the searches that run', async () => {
    const { script, clock, searches } = open()
    const reading = searches.read(topic)
    await reading.next()
    searches.close()
    await idsFound(reading)
    assert.deepEqual(script.aborted, [true])
    assert.equal(clock.timerCount, 0)
  })
})
