import assert from 'node:assert/strict'
import { describe, test } from 'vitest'
import type { KnownPeer } from '../../src/discovery/discovery.ts'
import { peers } from '../../src/discovery/static-discovery.ts'
import { topicOf } from './kad-network.ts'
import { LinkLog } from './link-log.ts'

const topic = topicOf('an image')
const id = '12D3KooWGzh8Fq3ZkVG8bXvGmAYLiRkFVRR9qsLkyTGqFB1SpPQH'
const one = '/ip4/192.0.2.1/tcp/4001'
const two = '/dns4/seed.example/tcp/4001'

async function found(from: AsyncIterable<KnownPeer>): Promise<KnownPeer[]> {
  const all: KnownPeer[] = []
  for await (const peer of from) all.push(peer)
  return all
}

describe('peers', () => {
  test('an address that cannot be dialled is refused when the list is written', () => {
    assert.throws(() => peers([one, '192.0.2.1:4001']), { code: 'ERR_REQUEST_OPTION', message: /"192\.0\.2\.1:4001"/ })
  })

  test('a link to each is asked for at once, by the name of the list', async () => {
    const log = await LinkLog.open()
    const discovery = await peers([one, two]).create(log.context)
    assert.deepEqual(log.asked, [
      { peer: { peerId: undefined, addresses: [one] }, foundBy: 'peers', atMs: 0 },
      { peer: { peerId: undefined, addresses: [two] }, foundBy: 'peers', atMs: 0 },
    ])
    await discovery.close()
  })

  test('they are found for every topic; addresses of one peer id are one peer', async () => {
    const log = await LinkLog.open()
    const discovery = await peers([`${one}/p2p/${id}`, two, `${two}/p2p/${id}`, two]).create(log.context)
    const expected = [
      { peerId: id, addresses: [one, two] },
      { peerId: undefined, addresses: [two] },
    ]
    assert.deepEqual(await found(discovery.findPeers(topic)), expected)
    assert.equal(log.asked.length, 2)
    await discovery.close()
  })

  test('while there is no link it is asked for with a back-off up to a minute', async () => {
    const log = await LinkLog.open()
    const discovery = await peers([one]).create(log.context)
    await log.clock.advanceAsync(10 * 60_000)
    const times = log.asked.map(({ atMs }) => atMs)
    for (const [index, atMs] of times.slice(1).entries()) {
      const fullMs = Math.min(60_000, 1000 * 2 ** index)
      const pauseMs = atMs - (times[index] ?? 0)
      assert.ok(pauseMs >= fullMs / 2 && pauseMs <= fullMs, `pause ${index} is ${pauseMs} ms`)
    }
    assert.ok(times.length > 12)
    await discovery.close()
    assert.equal(log.clock.timerCount, 0)
  })

  test('a link that is there is looked after each minute; when it broke the back-off starts anew', async () => {
    const log = await LinkLog.open()
    log.onConnect = async () => true
    const discovery = await peers([one]).create(log.context)
    await log.clock.advanceAsync(50_000)
    assert.equal(log.take().length, 1)
    log.onConnect = async () => false
    await log.clock.advanceAsync(12_000)
    const [first = 0, second = 0, third = 0] = log.asked.map(({ atMs }) => atMs)
    assert.ok(first >= 54_000 && first <= 60_000)
    assert.ok(second - first <= 1000 && third - second <= 2000)
    await discovery.close()
  })

  test('a link that never comes about is given up after 30 seconds, and asked for again', async () => {
    const log = await LinkLog.open()
    log.onConnect = () => new Promise(() => {})
    const discovery = await peers([one]).create(log.context)
    await log.clock.advanceAsync(29_999)
    assert.equal(log.take().length, 1)
    await log.clock.advanceAsync(1001)
    assert.equal(log.take().length, 1)
    await discovery.close()
    assert.equal(log.clock.timerCount, 0)
  })

  test('the node leaves itself out', async () => {
    const log = await LinkLog.open()
    const discovery = await peers([`${one}/p2p/${log.context.node.peerId.toString()}`, two]).create(log.context)
    assert.deepEqual(log.take(), [two])
    assert.deepEqual(await found(discovery.findPeers(topic)), [{ peerId: undefined, addresses: [two] }])
    await discovery.close()
  })

  test('after it was closed nothing is asked for, and no timer is left', async () => {
    const log = await LinkLog.open()
    const discovery = await peers([one, two]).create(log.context)
    await log.clock.advanceAsync(5000)
    await discovery.close()
    log.take()
    assert.equal(log.clock.timerCount, 0)
    await log.clock.advanceAsync(600_000)
    assert.deepEqual(log.asked, [])
  })
})
