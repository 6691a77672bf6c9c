import assert from 'node:assert/strict'
import { describe, test } from 'vitest'
import { sleep } from '../../src/core/clock.ts'
import type { IncomingRequest, Link } from '../../src/net/link.ts'
import { sharedContent } from '../lab/contents.ts'
import type { LabNode } from '../lab/lab-node.ts'
import type { FakePeer } from '../support/fake-peer.ts'
import { Stage, type Pull } from './stage.ts'

const kib = 1024
/** As docs/spec/tracker.md promises: whatever peers do, a pull is at most so much slower than from the origin directly. */
const patienceMs = 4000

describe('peers that keep back what they have, or have not', () => {
  test('B2: peers that have nothing of what they announce are passed over within five seconds, and not banned', async () => {
    await using stage = new Stage(2, 12)
    const askedMs = new Map<number, number>()
    const asked = ({ piece }: IncomingRequest): void => void askedMs.set(piece, askedMs.get(piece) ?? stage.lab.time.now)
    const empty = [
      await stage.badPeer({ answer: (request) => (asked(request), request.absent()) }),
      await stage.badPeer({ answer: asked }),
    ]
    const node = await stage.node()
    const waitsMs: number[] = []
    node.swarm.addEventListener('piece:stored', ({ detail: { piece } }) => {
      waitsMs.push(stage.lab.time.now - (askedMs.get(piece) ?? stage.lab.time.now))
    })
    await assertPatient(stage, await stage.pull(node))
    assert.ok(empty.every(({ requests }) => requests.length > 0))
    assert.ok(Math.max(...waitsMs) <= 5000, `a piece came ${Math.max(...waitsMs)} ms after it was asked for`)
    assertNobodyBanned(stage, node)
  })

  test('B12: a peer that sends a byte every nine seconds is given up, and its pieces are asked for elsewhere', async () => {
    await using stage = new Stage(12, 12)
    const slow = await stage.badPeer({
      answer: (request, honest, peer) => request.serve(honest.byteLength, dripped(honest, () => sleep(peer.clock, 9000, request.signal))),
    })
    const node = await stage.node()
    await assertPatient(stage, await stage.pull(node))
    assert.ok(slow.requests.length > 0 && slow.requests.every(({ signal }) => signal.aborted), 'nothing is left asked of it')
    assertNobodyBanned(stage, node)
  })

  test('B13: a peer that stops after all but the last hundredth of each piece is given up, and holds no memory', async () => {
    await using stage = new Stage(13, 12)
    const stingy = await stage.badPeer({
      answer: (request, honest, peer) => request.serve(honest.byteLength, withheld(honest, 0.99, () => sleep(peer.clock, 3_600_000, request.signal))),
    })
    const node = await stage.node({ limits: { memoryBytes: 4 * stage.layout.pieceLength } })
    await assertPatient(stage, await stage.pull(node))
    assert.ok(stingy.requests.length > 0 && stingy.requests.every(({ signal }) => signal.aborted), 'nothing is left asked of it')
    assertNobodyBanned(stage, node)
    await assertTakesMore(stage, node)
  })

  test('B24: a peer that ends its link at nine tenths of every piece, and says now this and now that, is let in ever more seldom', async () => {
    await using stage = new Stage(24, 40)
    const slow = await stage.badPeer({
      answer: (request, honest, peer) => request.serve(honest.byteLength, paced(honest, () => sleep(peer.clock, 300, request.signal))),
    })
    let over = false
    const node = await stage.node({ limits: { memoryBytes: 10 * stage.layout.pieceLength } })
    const comeBack = async (peer: FakePeer): Promise<void> => {
      for (let linked = false; !linked && !over; ) {
        await sleep(peer.clock, 100)
        linked = await peer.host.dial({ peerId: node.peerId, addresses: node.libp2p.getMultiaddrs().map(String) }).then(
          () => true,
          () => false,
        )
      }
    }
    const flaky = await stage.badPeer({
      tell: (link, peer) => void flap(link, peer),
      answer: (request, honest, peer) =>
        request.serve(honest.byteLength, withheld(honest, 0.9, async () => {
          request.link.close()
          await comeBack(peer)
        })),
    })
    const { tookMs } = await stage.pull(node, { origin: false })
    over = true
    // Ten rounds of four pieces, each in four parts.
    assert.ok(tookMs <= 10 * 4 * 300 + patienceMs, `${tookMs} ms`)
    assert.ok(slow.requests.length >= stage.layout.pieceCount)
    const links: number = node.told.filter(({ name, peerId }) => name === 'peer:linked' && peerId === flaky.peerId).length
    // After one second, two, four and eight.
    assert.ok(links >= 2 && links <= 6, `${links} links`)
    assert.ok(flaky.requests.length >= links - 1 && flaky.requests.length <= 4 * links)
    assertNobodyBanned(stage, node)
    await assertTakesMore(stage, node)
  })
})

/** As long as the link is open, it has all pieces, and then none, and then all. */
async function flap(link: Link, peer: FakePeer): Promise<void> {
  const { digest, sizeBytes } = peer.content
  while (!link.closed) {
    peer.tellAll(link)
    await sleep(peer.clock, 300)
    link.send({ type: 'bitfield', digest, sizeBytes, wants: false, complete: false, private: false, bits: new Uint8Array(0) })
    await sleep(peer.clock, 300)
  }
}

async function assertPatient(stage: Stage, { tookMs }: Pull): Promise<void> {
  const originOnlyMs = await stage.originOnlyMs()
  assert.ok(tookMs <= originOnlyMs + patienceMs, `${tookMs} ms; ${originOnlyMs} ms from the origin alone`)
}

/** No crime, and nothing that was taken whole is thrown away. */
function assertNobodyBanned(stage: Stage, node: LabNode): void {
  assert.deepEqual(stage.bans(node), [])
  assert.equal(stage.figures(node).wasted(), 0)
}

/** Memory for unfinished pieces is free again: more pieces than it holds come from peers. */
async function assertTakesMore(stage: Stage, node: LabNode): Promise<void> {
  const next = sharedContent(99, 3072 * kib)
  await stage.seeder(next)
  const { stats } = await stage.pull(node, { content: next, origin: false })
  assert.equal(stats.bytes.peers, next.sizeBytes)
}

async function* dripped(bytes: Uint8Array, wait: () => Promise<void>): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.byteLength; at++) {
    yield bytes.subarray(at, at + 1)
    await wait()
  }
}

/** A part of the bytes; then it waits, and gives no more. */
async function* withheld(bytes: Uint8Array, part: number, wait: () => Promise<void>): AsyncGenerator<Uint8Array> {
  yield bytes.subarray(0, Math.floor(part * bytes.byteLength))
  await wait()
}

async function* paced(bytes: Uint8Array, wait: () => Promise<void>): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.byteLength; at += 64 * kib) {
    yield bytes.subarray(at, at + 64 * kib)
    await wait()
  }
}
