import assert from 'node:assert/strict'
import { peerIdFromString } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import { describe, test } from 'vitest'
import type { Link } from '../../src/net/link.ts'
import type { ControlMessage, LeaseAsk, LeaseMessage, Member } from '../../src/wire/messages.ts'
import { limits } from '../../src/wire/protocol.ts'
import type { LabNode } from '../lab/lab-node.ts'
import type { FakePeer } from '../support/fake-peer.ts'
import { finds, Stage } from './stage.ts'

/** As docs/spec/tracker.md promises: whatever trackers do, a pull is at most so much slower than from the origin directly. */
const patienceMs = 4000

type Answer = (ask: LeaseAsk) => Pick<LeaseMessage, 'validMs' | 'retryAfterMs' | 'grants'>

const neverGrants: Answer = () => ({ validMs: 0, retryAfterMs: limits.leaseMs, grants: [] })
const grantsAll: Answer = ({ held, wanted }) => ({
  validMs: limits.leaseMs,
  retryAfterMs: 0,
  grants: [{ source: undefined, runs: [...held, ...wanted] }],
})

/** A tracker that answers asks for a lease, and has nothing of the blob. */
async function badTracker(stage: Stage, answer: Answer): Promise<{ peer: FakePeer; asks: LeaseAsk[] }> {
  const asks: LeaseAsk[] = []
  const peer = await stage.badPeer(
    {
      answer: (request) => request.absent(),
      tell: () => {},
      hears: (link, message) => {
        if (message.type !== 'lease-ask') return
        asks.push(message)
        const { digest, holder } = message
        if (message.count > 0 || message.held.length > 0) link.send({ type: 'lease', digest, holder, number: asks.length, ...answer(message) })
      },
    },
    { identity: await stage.tracker() },
  )
  return { peer, asks }
}

async function assertAllPatient(stage: Stage, nodes: readonly LabNode[]): Promise<void> {
  const originOnlyMs = await stage.originOnlyMs()
  for (const { tookMs } of await stage.pullAll(nodes)) {
    assert.ok(tookMs <= originOnlyMs + patienceMs, `${tookMs} ms; ${originOnlyMs} ms from the origin alone`)
  }
  for (const node of nodes) {
    assert.deepEqual(stage.bans(node), [])
    assert.equal(stage.figures(node).wasted(), 0)
  }
}

describe('trackers that mislead', () => {
  test('B27: one that never grants costs four seconds at most', async () => {
    await using stage = new Stage(27, 12)
    const { asks } = await badTracker(stage, neverGrants)
    const nodes = [await stage.node(), await stage.node(), await stage.node(), await stage.node()]
    await assertAllPatient(stage, nodes)
    assert.ok(asks.length > 0, 'it is the tracker')
  })

  test('B28: one that grants everything to everybody costs four seconds at most', async () => {
    await using stage = new Stage(28, 12)
    const { asks } = await badTracker(stage, grantsAll)
    const nodes = [await stage.node(), await stage.node(), await stage.node(), await stage.node()]
    await assertAllPatient(stage, nodes)
    assert.ok(asks.length > 0, 'it is the tracker')
    assert.ok(stage.originBytes <= 3 * stage.content.sizeBytes, 'nodes yield to each other, whatever they may')
  })

  test('B29: one that introduces only peers which give nothing costs four seconds at most', async () => {
    await using stage = new Stage(29, 12)
    const liars = [
      await stage.badPeer({ answer: () => {} }, { advertised: false }),
      await stage.badPeer({ answer: (request) => request.absent() }, { advertised: false }),
      await stage.badPeer({ answer: (request) => request.busy(limits.busyMs) }, { advertised: false }),
    ]
    const introduces = (link: Link, message: ControlMessage): void => {
      if (message.type !== 'join' || !message.asks) return
      link.send({ type: 'members', topic: message.topic, busy: false, guest: false, members: liars.map(memberOf), nearer: [] })
    }
    const tracker = await stage.badPeer(
      { answer: (request) => request.absent(), tell: () => {}, hears: introduces },
      { identity: await stage.tracker(), advertised: false },
    )
    const discovery = [finds([{ peerId: tracker.peerId, addresses: tracker.addresses }])]
    const nodes = [await stage.node({ discovery }), await stage.node({ discovery }), await stage.node({ discovery })]
    await assertAllPatient(stage, nodes)
    assert.ok(liars.every(({ requests }) => requests.length > 0), 'all of them are linked and asked')
  })
})

function memberOf({ peerId, addresses }: FakePeer): Member {
  return {
    peerId: peerIdFromString(peerId).toMultihash().bytes,
    supernode: false,
    location: { region: '', zone: '', rack: '' },
    addresses: addresses.map((address) => multiaddr(address).bytes),
  }
}
