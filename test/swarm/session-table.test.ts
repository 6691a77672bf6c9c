import assert from 'node:assert/strict'
import { describe, test } from 'vitest'
import { digestOf, type Digest } from '../../src/core/digest.ts'
import { StoreError } from '../../src/core/errors.ts'
import type { BlobSession } from '../../src/swarm/blob-session.ts'
import { SessionTable } from '../../src/swarm/session-table.ts'
import { emptyCopy } from '../../src/swarm/swarm-context.ts'
import { seededContent } from '../../src/testing/seeded-content.ts'
import type { BitfieldMessage } from '../../src/wire/messages.ts'
import { limits } from '../../src/wire/protocol.ts'
import { claimOf } from '../support/signer.ts'
import { scriptedNode, type ScriptedLink, type ScriptedNode } from '../support/scripted-link.ts'

const mib = 1024 * 1024

async function hold(node: ScriptedNode, seed: number, sizeBytes: number): Promise<Digest> {
  const { digest, read } = seededContent(seed, sizeBytes)
  const bytes = read({ offset: 0, length: sizeBytes })
  await node.store.import({ digest, size: sizeBytes, mediaType: 'x/y' }, (async function* () { yield bytes })())
  return digest
}

function wants(digest: Digest, sizeBytes: number): BitfieldMessage {
  return { ...emptyCopy(digest, sizeBytes), wants: true }
}

/** Lets all that waits for the store run. */
async function settled(node: ScriptedNode): Promise<void> {
  await node.clock.advanceAsync(0)
  await node.clock.advanceAsync(0)
}

function bitfields(link: ScriptedLink): BitfieldMessage[] {
  return link.sent.filter((message) => message.type === 'bitfield')
}

async function loading(table: SessionTable, seed: number): Promise<{ session: BlobSession; digest: Digest }> {
  const { digest } = seededContent(seed, 2 * mib)
  const { session } = await table.want({ digest, sizeBytes: 2 * mib })
  session.want(undefined)
  return { session, digest }
}

describe('SessionTable', () => {
  test('a peer is answered, and its blob stays open until it has heard enough', async () => {
    await using node = await scriptedNode()
    const table = new SessionTable(node.context)
    const digest = await hold(node, 1, 2 * mib)
    const { entry, link } = node.link(1)
    table.receive(entry, wants(digest, 2 * mib))
    await settled(node)
    assert.deepEqual(link.sent.map(({ type }) => type), ['claim', 'bitfield'])
    assert.ok(table.get(digest))
    table.receive(entry, { type: 'forget', digest })
    assert.equal(table.get(digest), undefined)
  })

  test('a peer that only asks what is here leaves nothing open', async () => {
    await using node = await scriptedNode()
    const table = new SessionTable(node.context)
    const digest = await hold(node, 1, 2 * mib)
    const { entry, link } = node.link(1)
    table.receive(entry, wants(digest, 0))
    await settled(node)
    assert.deepEqual(bitfields(link).map(({ sizeBytes, complete }) => [sizeBytes, complete]), [[2 * mib, true]])
    assert.deepEqual(table.all(), [])
  })

  test('a peer that left while the store was asked is not taken in', async () => {
    await using node = await scriptedNode()
    const table = new SessionTable(node.context)
    const digest = await hold(node, 1, 2 * mib)
    const { entry } = node.link(1)
    table.receive(entry, wants(digest, 2 * mib))
    node.unlink(1)
    table.detach(1)
    await settled(node)
    assert.deepEqual(table.all(), [])
  })

  test('an empty blob is told like one that is not here', async () => {
    await using node = await scriptedNode()
    const table = new SessionTable(node.context)
    const digest = await hold(node, 1, 0)
    const { entry, link } = node.link(1)
    table.receive(entry, wants(digest, 0))
    await settled(node)
    assert.deepEqual(link.sent, [emptyCopy(digest, 0)])
  })

  test('of too many blobs that a peer wants the oldest is forgotten', async () => {
    await using node = await scriptedNode()
    const table = new SessionTable(node.context)
    const { entry } = node.link(1)
    const digest = await hold(node, 1, 1000)
    table.receive(entry, wants(digest, 1000))
    await settled(node)
    for (let index = 1; index < limits.blobsPerPeer; index++) entry.blobs.add(digestOf(Buffer.from(`${index}`)))
    table.receive(entry, wants(digest, 1000))
    assert.equal(entry.blobs.size, limits.blobsPerPeer)
    assert.ok(table.get(digest))
    entry.blobs.delete(digest)
    const newer = [...entry.blobs]
    entry.blobs.clear()
    for (const blob of [digest, ...newer]) entry.blobs.add(blob)
    const another = await hold(node, 2, 1000)
    table.receive(entry, wants(another, 1000))
    await settled(node)
    assert.equal(entry.blobs.size, limits.blobsPerPeer)
    assert.deepEqual(table.all().map((session) => session.digest), [another])
  })

  test('in an open network, a peer cannot make a blob private', async () => {
    await using node = await scriptedNode()
    const table = new SessionTable(node.context)
    const { entry } = node.link(1)
    const { session, digest } = await loading(table, 1)
    table.receive(entry, { ...emptyCopy(digest, 2 * mib), private: true })
    await settled(node)
    assert.deepEqual([session.access.private, session.admits(entry)], [false, true])
    await table.close()
  })

  test('in a closed network, a member’s word that a blob is private is kept with it', async () => {
    await using node = await scriptedNode({ closedNetwork: true })
    const table = new SessionTable(node.context)
    const { entry } = node.link(1)
    const { session, digest } = await loading(table, 1)
    table.receive(entry, { ...emptyCopy(digest, 2 * mib), private: true })
    await settled(node)
    assert.deepEqual([session.access.private, session.admits(entry)], [true, true])
    await table.close()
  })

  test('a caller to whom a blob is private makes it so for all who load it', async () => {
    await using node = await scriptedNode()
    const table = new SessionTable(node.context)
    const { entry, link } = node.link(1)
    const { session, digest } = await loading(table, 1)
    await table.want({ digest, sizeBytes: 2 * mib, private: true })
    assert.equal(session.admits(entry), false)
    assert.deepEqual(link.sent.at(-1), emptyCopy(digest, 2 * mib))
    await table.close()
  })

  test('one that is let go by peers stays open for a caller who is about to use it', async () => {
    await using node = await scriptedNode()
    const table = new SessionTable(node.context)
    const { entry } = node.link(1)
    const { digest } = seededContent(1, 2 * mib)
    const { session } = await table.want({ digest, sizeBytes: 2 * mib })
    table.receive(entry, { type: 'forget', digest })
    table.detach(1)
    assert.equal(session.closed, false)
    table.leave(session)
    assert.equal(session.closed, true)
  })

  test('whoever wants a blob whose session ends at that moment gets a new one', async () => {
    await using node = await scriptedNode()
    const table = new SessionTable(node.context)
    const { session, digest } = await loading(table, 1)
    const wanted = table.want({ digest, sizeBytes: 2 * mib })
    session.unwant()
    table.leave(session)
    const next = await wanted
    assert.deepEqual([session.closed, next.session.closed], [true, false])
    table.leave(next.session)
  })

  test('requests of a blob that became private are taken back', async () => {
    await using node = await scriptedNode()
    const table = new SessionTable(node.context)
    const { entry, link } = node.link(1)
    const { session, digest } = await loading(table, 1)
    table.receive(entry, claimOf({ digest, sizeBytes: 2 * mib, hashes: new Uint8Array(8 * 32) }))
    table.receive(entry, { ...emptyCopy(digest, 2 * mib), complete: true })
    assert.equal(link.open.length, 4)
    await session.becomePrivate(false)
    assert.deepEqual([link.open.length, node.budget.usedBytes], [0, 0])
    await table.close()
  })

  test('a peer is answered also when piece hashes cannot be read', async () => {
    await using node = await scriptedNode()
    const digest = await hold(node, 1, 2 * mib)
    const store = Object.create(node.store, {
      stat: { value: () => node.store.stat(digest) },
      pieceHashes: { value: () => Promise.reject(new StoreError('ERR_STORE_CORRUPT', 'bad')) },
    }) as typeof node.store
    const table = new SessionTable({ ...node.context, store })
    const { entry, link } = node.link(1)
    table.receive(entry, wants(digest, 2 * mib))
    await settled(node)
    assert.deepEqual(link.sent, [emptyCopy(digest, 2 * mib)])
  })
})
