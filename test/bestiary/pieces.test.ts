import assert from 'node:assert/strict'
import { describe, test } from 'vitest'
import { pieceRange } from '../../src/core/piece-layout.ts'
import type { IncomingRequest, Link } from '../../src/net/link.ts'
import { peers } from '../../src/discovery/static-discovery.ts'
import type { PeerBannedEvent } from '../../src/swarm/swarm-events.ts'
import { seededContent } from '../../src/testing/seeded-content.ts'
import { limits as wire } from '../../src/wire/protocol.ts'
import { sharedContent } from '../lab/contents.ts'
import type { LabNode } from '../lab/lab-node.ts'
import { RawPeer } from '../net/raw-peer.ts'
import { FakePeer, rawHash, serveHonestly, withOneBitTurned } from '../support/fake-peer.ts'
import { claimOf, newSigner } from '../support/signer.ts'
import { TestNodes } from '../support/nodes.ts'
import { Figures } from './figures.ts'
import { assertHolds, originOf } from './real.ts'
import { Stage } from './stage.ts'

const hourMs = 3_600_000

const turnsABit = (request: IncomingRequest, honest: Uint8Array): Promise<void> => request.serve(honest.byteLength, [withOneBitTurned(honest)])
const hashesOfTurned: FakePeer['hashOf'] = (_, honest) => rawHash(withOneBitTurned(honest))

describe('peers that send wrong bytes', () => {
  test('B1: a peer that turns one bit of a piece is banned for the first one', async () => {
    await using stage = new Stage(1, 12)
    await stage.seeder()
    const liar = await stage.badPeer({ answer: turnsABit })
    const node = await stage.node()
    await stage.pull(node)
    assert.deepEqual(stage.bans(node), [{ peerId: liar.peerId, reason: 'piece-hash' }])
    assert.ok(liar.requests.length >= 1 && liar.requests.length <= 4, `${liar.requests.length} pieces were asked of it`)
    const wasted = stage.figures(node).wasted('corrupt')
    assert.ok(wasted >= stage.layout.pieceLength && wasted <= liar.requests.length * stage.layout.pieceLength)
    assert.equal(stage.figures(node).wasted(), wasted)
  })

  test('B3: a peer that spoils one piece in fifty is banned for an hour, and welcome after that', async () => {
    await using stage = new Stage(3, 60)
    const next = sharedContent(33, 2 * 1024 * 1024)
    const broken = await stage.badPeer({
      answer: (request, honest) => (broken.requests.length % 50 === 0 ? turnsABit(request, honest) : serveHonestly(request, honest)),
    })
    const node = await stage.node()
    const { stats } = await stage.pull(node)
    assert.deepEqual(stage.bans(node), [{ peerId: broken.peerId, reason: 'piece-hash' }])
    assert.equal(stage.figures(node).wasted(), stage.layout.pieceLength)
    assert.ok(stats.bytes.peers >= 40 * stage.layout.pieceLength, 'its good pieces are kept')

    const mended = await stage.badPeer({ content: next, answer: serveHonestly }, { as: broken })
    await stage.pull(node, { content: next })
    assert.equal(mended.requests.length, 0)
    await stage.forget(node, next)
    await stage.lab.time.run(stage.lab.time.now + hourMs)
    const { stats: later } = await stage.pull(node, { content: next, origin: false })
    assert.deepEqual(later.peers.map(({ peerId }) => peerId), [broken.peerId])
    assert.equal(stage.bans(node).length, 1)
  })

  test('B4: fifty peers that send noise are banned one by one until the budget is spent; the rest comes from the origin', async () => {
    await using stage = new Stage(4, 60)
    for (let host = 1; host <= 50; host++) {
      await stage.badPeer({ answer: (request, honest) => request.serve(honest.byteLength, [spoiled(honest, host)]) }, { address: `/ip4/8.9.9.${host}/tcp/4001` })
    }
    const node = await stage.node()
    await stage.pull(node)
    const spoke = new Set(stage.bad.filter(({ requests }) => requests.length > 0).map(({ peerId }) => peerId))
    const bans = stage.bans(node)
    assert.ok(bans.length >= 3 && bans.every(({ peerId, reason }) => spoke.has(peerId ?? '') && reason === 'piece-hash'))
    const wasted = stage.figures(node).wasted('corrupt')
    const underWay = bans.length * wire.dataStreams * stage.layout.pieceLength
    assert.ok(wasted <= stage.content.sizeBytes / 10 + underWay && wasted >= bans.length * stage.layout.pieceLength, `${wasted} bytes`)
    assert.equal(stage.originBytes, stage.content.sizeBytes)
  })

  test('B4: after three bans nobody of that prefix is let in', async () => {
    await using nodes = new TestNodes()
    const contents = [41, 42, 43].map((seed) => seededContent(seed, 5 * 256 * 1024))
    const liars = await Promise.all(contents.map((content) => FakePeer.start(content, turnsABit)))
    for (const liar of liars) nodes.use(liar)
    const figures = new Figures()
    const banned: PeerBannedEvent[] = []
    // Loopback counts as any other prefix.
    const limits = { trustedRanges: ['10.0.0.0/8'] }
    const node = await nodes.start([], { metrics: figures, limits, discovery: [peers(liars.flatMap(({ addresses }) => addresses))] })
    node.addEventListener('peer:banned', ({ detail }) => banned.push(detail))
    for (const content of contents) {
      await assertHolds(await node.fetchLayer({ digest: content.digest, size: content.sizeBytes, origin: originOf(content) }), content)
    }
    assert.deepEqual(new Set(banned.map(({ peerId }) => peerId)), new Set(liars.map(({ peerId }) => peerId)))
    await using late = await RawPeer.start()
    await assert.rejects(late.openControl(node))
    assert.ok(figures.of('damselfly_connections_refused_total', { reason: 'banned' }) >= 1)
  })

  test('B25: a peer that sends two nodes different bytes for one piece is banned by both, and neither bans the other', async () => {
    await using stage = new Stage(25, 12)
    const [one, two] = [await stage.node(), await stage.node()]
    const liar = await stage.badPeer({
      answer: (request, honest) => request.serve(honest.byteLength, [spoiled(honest, request.link.peerId === one.peerId ? 1 : 2)]),
    })
    await stage.pullAll([one, two])
    const asked = new Set(liar.requests.map(({ link }) => link.peerId))
    assert.deepEqual(asked, new Set([one.peerId, two.peerId]))
    for (const node of [one, two]) assert.deepEqual(stage.bans(node), [{ peerId: liar.peerId, reason: 'piece-hash' }])
    assert.ok(one.swarm.stats().links.some(({ peerId }) => peerId === two.peerId))
  })
})

describe('peers that sign false claims', () => {
  test('B5: one whose bytes match its own false claims gives nobody a byte, and is banned by the digest', async () => {
    await using stage = new Stage(5, 12)
    const liar = await stage.badPeer({ answer: turnsABit, hashOf: hashesOfTurned })
    const node = await stage.node()
    await stage.pull(node)
    assert.deepEqual(stage.bans(node), [{ peerId: liar.peerId, reason: 'claim' }])
    const figures = stage.figures(node)
    assert.ok(figures.wasted() >= stage.layout.pieceLength && figures.wasted() <= stage.content.sizeBytes, 'it costs one blob at most, once')
    assert.ok(stage.originBytes <= stage.content.sizeBytes)
    assert.ok(figures.of('damselfly_claims_refuted_total') >= 1)
  })

  test('B5: one next to an honest peer is found out by the origin, and costs no more than the budget', async () => {
    await using stage = new Stage(55, 24)
    await stage.seeder()
    const liar = await stage.badPeer({ answer: turnsABit, hashOf: hashesOfTurned })
    const node = await stage.node()
    await stage.pull(node)
    assert.deepEqual(stage.bans(node), [{ peerId: liar.peerId, reason: 'claim' }])
    assert.ok(stage.figures(node).wasted() <= stage.budgetBytes)
    assert.equal(stage.originBytes, 2 * stage.layout.pieceLength, 'the origin is asked for one piece, and once more to be sure')
  })

  test('B6: two that collude get nothing delivered early, and are both banned', async () => {
    await using stage = new Stage(6, 12)
    const liars = [
      await stage.badPeer({ answer: turnsABit, hashOf: hashesOfTurned }),
      await stage.badPeer({ answer: turnsABit, hashOf: hashesOfTurned }),
    ]
    const node = await stage.node()
    await stage.pull(node)
    const wanted = liars.map(({ peerId }) => ({ peerId, reason: 'claim' }))
    assert.deepEqual(new Set(stage.bans(node)), new Set(wanted))
    assert.ok(stage.figures(node).wasted() <= stage.content.sizeBytes, 'they cost one blob at most, once')
    assert.ok(stage.originBytes <= stage.content.sizeBytes)
  })

  test('B7: of contradictions without end three are settled; then the blob comes from the origin', async () => {
    await using stage = new Stage(7, 40)
    await stage.seeder()
    let next = stage.layout.pieceCount
    await stage.badPeer({
      answer: async (request, honest, peer) => {
        await serveHonestly(request, honest)
        contradict(request.link, peer, --next)
      },
    })
    const node = await stage.node()
    const { stats } = await stage.pull(node)
    const figures = stage.figures(node)
    const settled = figures.of('damselfly_claims_refuted_total', { by: 'origin' })
    assert.ok(settled >= 1 && settled <= 3, `${settled} claims were refuted by a reading of their piece`)
    assertSignersBanned(stage, node)
    // Each contradiction takes a reading of a piece or two; what is beyond that is the rest of the blob.
    assert.ok(stats.bytes.origin > 6 * stage.layout.pieceLength)
    assert.ok(stage.originBytes <= stage.content.sizeBytes + 6 * stage.layout.pieceLength)
    assert.ok(figures.wasted() <= stage.budgetBytes)
  })

  test('B7: who tells more claims than it may loses its link, and its false ones change nothing', async () => {
    await using stage = new Stage(77, 12)
    await stage.seeder()
    await stage.badPeer({
      answer: serveHonestly,
      tell: (link, peer) => {
        peer.tellAll(link)
        for (let count = 0; count < 2 * peer.layout.pieceCount + 16; count++) contradict(link, peer, count % peer.layout.pieceCount)
      },
    })
    const node = await stage.node()
    await stage.pull(node)
    assert.equal(stage.figures(node).of('damselfly_links_ended_total', { code: 'ERR_PEER_LIMIT' }), 1)
    assertSignersBanned(stage, node)
    assert.ok(stage.figures(node).wasted() <= stage.budgetBytes)
  })
})

/** Whoever signed false claims is banned, and nobody who only passed them on. */
function assertSignersBanned(stage: Stage, node: LabNode): void {
  const linked = new Set(stage.bad.map(({ peerId }) => peerId))
  assert.deepEqual(stage.bans(node).filter(({ peerId, reason }) => reason !== 'claim' || linked.has(peerId ?? '')), [])
}

/** Of the same length, with a byte of one's own in the middle. */
function spoiled(honest: Uint8Array, by: number): Uint8Array {
  const copy = honest.slice()
  copy[copy.length >> 1] = (copy[copy.length >> 1] ?? 0) ^ by
  return copy
}

/** A false claim of somebody whom nobody knows. */
function contradict(link: Link, { content, layout }: FakePeer, first: number): void {
  const { digest, sizeBytes } = content
  const hashes = rawHash(content.read(pieceRange(layout, (first + 1) % layout.pieceCount)))
  link.send(claimOf({ digest, sizeBytes, first, hashes }, newSigner()))
}
