import assert from 'node:assert/strict'
import { describe, test } from 'vitest'
import { digestToBytes } from '../../src/core/digest.ts'
import type { Libp2pStream, ReceivedBytes } from '../../src/net/libp2p-types.ts'
import { encodeFrame } from '../../src/wire/codec.ts'
import type { Message } from '../../src/wire/messages.ts'
import { pieceProtocol } from '../../src/wire/protocol.ts'
import type { LabNode } from '../lab/lab-node.ts'
import { signer } from '../support/signer.ts'
import { frame, rawLink, varint, type RawLink } from './raw-link.ts'
import { Stage } from './stage.ts'

const [helloType, membersType, bitfieldType, claimType, haveType, fetchingType, holdOffType] = [0x01, 0x03, 0x04, 0x05, 0x06, 0x07, 0x0c]

type Crime = Uint8Array | ((stage: Stage) => Uint8Array)

/** While a node pulls from an honest peer, each of these is sent to it by somebody else; all of them lose their link for it, and nobody else does. */
async function assertEndsLinks(stage: Stage, crimes: Readonly<Record<string, Crime>>, before: readonly Uint8Array[] = []): Promise<void> {
  const seeder = await stage.seeder()
  const node = await stage.node()
  const crooks: { name: string; crime: Crime; link: RawLink }[] = []
  for (const [name, crime] of Object.entries(crimes)) crooks.push({ name, crime, link: await rawLink(stage, node) })
  await stage.pullWhile(node, () => {
    for (const { crime, link } of crooks) {
      for (const bytes of before) link.control.send(bytes)
      link.control.send(typeof crime === 'function' ? crime(stage) : crime)
    }
  })
  for (const { name, link } of crooks) assert.notEqual(link.control.stream.status, 'open', name)
  assert.equal(stage.figures(node).of('damselfly_links_ended_total', { code: 'ERR_PEER_PROTOCOL' }), crooks.length)
  assertUnharmed(stage, node)
  assert.ok(node.swarm.stats().links.some(({ peerId }) => peerId === seeder.peerId))
}

/** One such thing may happen to anybody: it ends a link, and bans nobody. */
function assertUnharmed(stage: Stage, node: LabNode): void {
  assert.deepEqual(stage.bans(node), [])
  assert.equal(stage.figures(node).wasted(), 0)
}

function bitfield(stage: Stage, bits: readonly number[]): Uint8Array {
  return frame(bitfieldType, Buffer.concat([digestBytes(stage), varint(stage.content.sizeBytes), varint(0), varint(bits.length), Uint8Array.from(bits)]))
}

/** Of one piece, with a signature of zeros. */
function claim(stage: Stage, piece: number): Uint8Array {
  const { peerId } = signer('somebody')
  const parts = [digestBytes(stage), varint(stage.content.sizeBytes), varint(piece), varint(peerId.byteLength), peerId, new Uint8Array(64), varint(1), new Uint8Array(32)]
  return frame(claimType, Buffer.concat(parts))
}

const digestBytes = ({ content }: Stage): Uint8Array => digestToBytes(content.digest)

describe('peers that break the form', () => {
  test('B8: lengths and numbers beyond all bounds end the link before anything is allocated for them', async () => {
    await using stage = new Stage(8, 12)
    await assertEndsLinks(stage, {
      'the longest length that a header can have, and nothing after it': frame(haveType, new Uint8Array(0), 2 ** 24 - 1),
      'one byte more than a frame may have, and nothing after it': frame(haveType, new Uint8Array(0), 65_537),
      'a negative number in ten bytes': frame(holdOffType, Buffer.concat([new Uint8Array(32), Buffer.from('ffffffffffffffffff01', 'hex')])),
      'a number of eleven bytes': frame(holdOffType, Buffer.concat([new Uint8Array(32), Buffer.from('8080808080808080808001', 'hex')])),
      'a number in more bytes than it needs': frame(holdOffType, Buffer.concat([new Uint8Array(32), Buffer.from('8000', 'hex')])),
    })
  })

  test('B9: lists with more elements than they may have end the link, however small the elements are', async () => {
    await using stage = new Stage(9, 12)
    const zeros = new Uint8Array(60_000)
    await assertEndsLinks(stage, {
      'a million pieces': (to) => frame(haveType, Buffer.concat([digestBytes(to), varint(1_000_000), zeros])),
      'one piece more than there may be': (to) => frame(haveType, Buffer.concat([digestBytes(to), varint(4097), new Uint8Array(4097)])),
      'twenty thousand empty runs': (to) => frame(fetchingType, Buffer.concat([digestBytes(to), varint(20_000), zeros])),
      'a million members': frame(membersType, Buffer.concat([new Uint8Array(33), varint(1_000_000), zeros])),
      'a million hashes': (to) => frame(claimType, Buffer.concat([digestBytes(to), varint(2 ** 30), varint(0), varint(0), new Uint8Array(64), varint(1_000_000), zeros])),
    })
  })

  test('B10: a holder that sends more than it was asked for, or something else, loses its link', async () => {
    await using stage = new Stage(10, 12)
    const answers: Record<string, (stream: Libp2pStream, honest: Uint8Array) => void> = {
      'a piece, and a megabyte': (stream, honest) => send(stream, { type: 'piece', sizeBytes: honest.byteLength }, honest, new Uint8Array(1024 * 1024)),
      'a longer piece': (stream, honest) => send(stream, { type: 'piece', sizeBytes: honest.byteLength + 1 }, honest, new Uint8Array(1)),
      'a piece, and one that nobody asked for': (stream, honest) =>
        send(stream, { type: 'piece', sizeBytes: honest.byteLength }, honest, encodeFrame({ type: 'piece', sizeBytes: honest.byteLength }), honest),
      'what belongs on the other stream': (stream) => send(stream, { type: 'have', digest: stage.content.digest, pieces: [1] }),
    }
    const streams: Libp2pStream[] = []
    const crooks = new Map<string, string>()
    for (const [name, answer] of Object.entries(answers)) {
      const peer = await stage.badPeer({ answer: () => {} })
      crooks.set(peer.peerId, name)
      await stage.hostOf(peer).handle(pieceProtocol, (stream) => {
        streams.push(stream)
        stream.addEventListener('message', ({ data }: { data: ReceivedBytes }) => answer(stream, peer.honest(data.subarray()[36] ?? 0)))
      })
    }
    const node = await stage.node()
    await stage.pull(node)
    const unlinked = node.told.filter(({ name }) => name === 'peer:unlinked').map(({ peerId }) => crooks.get(peerId ?? ''))
    assert.deepEqual(new Set(unlinked), new Set(Object.keys(answers)))
    // Each link is tried again once, after a second.
    const ended = stage.figures(node).of('damselfly_links_ended_total', { code: 'ERR_PEER_PROTOCOL' })
    assert.ok(ended >= stage.bad.length && ended <= 2 * stage.bad.length, `${ended} links ended`)
    assert.ok(streams.length >= stage.bad.length && streams.every(({ status }) => status !== 'open'))
    assertUnharmed(stage, node)
  })

  test('B11: pieces that are none, and sizes that are not the blob’s, end the link or count for nothing', async () => {
    await using stage = new Stage(11, 12)
    const { digest } = stage.content
    const ownsNothing = bitfield(stage, [])
    const crimes: Record<string, Crime> = {
      'the piece after the last': encodeFrame({ type: 'have', digest, pieces: [12] }),
      'a piece that no blob has': (to) => frame(haveType, Buffer.concat([digestBytes(to), varint(1), varint(65_536)])),
      'piece 2^53': (to) => frame(haveType, Buffer.concat([digestBytes(to), varint(1), varint(2 ** 53)])),
      'a run that leaves the blob': encodeFrame({ type: 'fetching', digest, runs: [{ first: 11, count: 2 }] }),
      'a fresh piece that is none': encodeFrame({ type: 'fresh', digest, pieces: [40] }),
      'a bitfield that is too long': (to) => bitfield(to, [0, 0, 0]),
      'a bitfield with spare bits': (to) => bitfield(to, [255, 255]),
      'a claim of a piece that is none': (to) => claim(to, 12),
      'a claim that its issuer did not sign': (to) => claim(to, 11),
    }
    await assertEndsLinks(stage, crimes, [ownsNothing])
  })

  test('B11: a peer that names another size than the manifest’s is asked for nothing', async () => {
    await using stage = new Stage(111, 12)
    await stage.seeder()
    const { digest, sizeBytes } = stage.content
    const swollen = await stage.badPeer({ content: { ...stage.content, digest, sizeBytes: 2 * sizeBytes, read: ({ length }) => new Uint8Array(length) }, answer: () => {} })
    const node = await stage.node()
    await stage.pull(node, { origin: false })
    assert.equal(swollen.requests.length, 0)
    assertUnharmed(stage, node)
  })

  test('B26: other versions, unknown messages and trailing bytes end the link; what is marked optional is skipped', async () => {
    await using stage = new Stage(26, 12)
    await assertEndsLinks(stage, {
      'a message that must be understood, and is not': frame(0x70, new Uint8Array(8)),
      'a second hello': frame(helloType, Buffer.from([1, 0, 0, 0, 0])),
      'bytes left over': frame(0x08, new Uint8Array(33)),
      'a payload that is too short': frame(0x08, new Uint8Array(31)),
      'a message of the other kind of stream': frame(0x44, new Uint8Array(0)),
    })
    const [first] = stage.lab.nodes
    assert.ok(first)
    const future = await rawLink(stage, first, { version: 2 })
    await stage.lab.time.run(stage.lab.time.now + 1000)
    assert.notEqual(future.control.stream.status, 'open', 'another version')
    const odd = await rawLink(stage, first)
    odd.control.send(frame(0x80, new Uint8Array(100)))
    odd.control.send(frame(0xff, new Uint8Array(0)))
    await stage.lab.time.run(stage.lab.time.now + 1000)
    assert.equal(odd.control.stream.status, 'open', 'optional messages')
  })
})

function send(stream: Libp2pStream, message: Message, ...bodies: readonly Uint8Array[]): void {
  stream.send(encodeFrame(message))
  for (const body of bodies) if (stream.status === 'open') stream.send(body)
}
