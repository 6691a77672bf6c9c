import assert from 'node:assert/strict'
import { describe, test } from 'vitest'
import { noMetrics } from '../../src/metrics/metrics.ts'
import { TrustedRanges } from '../../src/net/trusted-ranges.ts'
import { PeerBans } from '../../src/swarm/peer-bans.ts'
import { fakeClock } from '../../src/testing/fake-clock.ts'
import { BanList } from '../../src/trust/ban-list.ts'
import { linkNodes, startNode, type TestNode } from '../net/nodes.ts'

interface BanningNode extends AsyncDisposable {
  readonly bans: PeerBans
  readonly node: TestNode
  readonly events: unknown[]
}

/** A node that bans; its clock for that stands still. */
async function banningNode(clock = fakeClock(), ranges = new TrustedRanges()): Promise<BanningNode> {
  const bans = new PeerBans({ list: new BanList(), clock, metrics: noMetrics, ranges })
  const node = await startNode({ refusals: bans, ranges })
  const events: unknown[] = []
  const detach = bans.attach({
    node: node.node,
    emit: (...event) => void events.push(event),
    closeLink: (peerId, error) => node.host.get(peerId)?.close(error),
  })
  return {
    bans,
    node,
    events,
    async [Symbol.asyncDispose]() {
      detach()
      await node[Symbol.asyncDispose]()
    },
  }
}

describe('a banned peer', () => {
  test('loses its link and its connection, and gets no other one from either side', async () => {
    const clock = fakeClock()
    await using here = await banningNode(clock)
    await using there = await startNode()
    await linkNodes(here.node, there)
    const { reverse } = here.bans.convict(there.peerId, 'piece-hash')
    assert.deepEqual(here.events, [
      ['peer:banned', { peerId: there.peerId, reason: 'piece-hash', untilMs: clock.wallMs() + 3_600_000 }],
    ])
    await here.node.log.until((log) => log.closed.length === 1)
    assert.equal(here.node.log.closed[0]?.error?.code, 'ERR_PEER_REFUSED')
    assert.deepEqual(here.node.node.getConnections(), [])
    await assert.rejects(here.node.host.dial(there), { code: 'ERR_PEER_REFUSED' })
    await assert.rejects(here.node.host.dial({ addresses: there.addresses }), { code: 'ERR_PEER_UNREACHABLE' })
    await there.log.until((log) => log.closed.length === 1)
    await assert.rejects(there.host.dial(here.node))
    assert.equal(here.node.log.opened.length, 1)
    reverse()
    await there.host.dial(here.node)
    await here.node.log.until((log) => log.opened.length === 2)
  })

  test('may come back after its time, and not before', async () => {
    const clock = fakeClock()
    await using here = await banningNode(clock)
    await using there = await startNode()
    here.bans.convict(there.peerId, 'claim')
    clock.advance(3_599_999)
    await assert.rejects(there.host.dial(here.node))
    clock.advance(1)
    await there.host.dial(here.node)
  })

  test('with two more of its prefix closes it, unless the range is trusted', async () => {
    for (const [ranges, cooling] of [[new TrustedRanges([]), true], [new TrustedRanges(), false]] as const) {
      await using here = await banningNode(fakeClock(), ranges)
      for (let liar = 0; liar < 3; liar++) {
        await using there = await startNode()
        await linkNodes(here.node, there)
        here.bans.convict(there.peerId, 'claim')
      }
      assert.equal(here.bans.isCooling('127.0.0.9'), cooling)
      await using honest = await startNode()
      const dialled = honest.host.dial(here.node)
      if (cooling) await assert.rejects(dialled)
      else await dialled
    }
  })

  test('is one whose fourth suspicion comes at once', async () => {
    await using here = await banningNode()
    await using there = await startNode()
    for (let count = 0; count < 3; count++) here.bans.suspect(there.peerId, 'limit')
    assert.equal(here.bans.isBanned(there.peerId), false)
    here.bans.suspect(there.peerId, 'limit')
    assert.equal(here.bans.isBanned(there.peerId), true)
  })
})
