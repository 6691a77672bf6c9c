import assert from 'node:assert/strict'
import { describe, test } from 'vitest'
import { digestOf, digestToBytes } from '../../src/core/digest.ts'
import { pieceLayout, pieceRange } from '../../src/core/piece-layout.ts'
import { SessionTable } from '../../src/swarm/session-table.ts'
import { emptyCopy } from '../../src/swarm/swarm-context.ts'
import { seededContent, type BlobContent } from '../../src/testing/seeded-content.ts'
import type { ClaimMessage } from '../../src/wire/messages.ts'
import { claimOf, signer } from '../support/signer.ts'
import { scriptedNode, type ScriptedNode } from '../support/scripted-link.ts'

const mib = 1024 * 1024
const sizeBytes = 2 * mib
const layout = pieceLayout(sizeBytes)

function hashesOf(content: BlobContent): Uint8Array {
  return Buffer.concat(
    Array.from({ length: layout.pieceCount }, (_, piece) => digestToBytes(digestOf(content.read(pieceRange(layout, piece))))),
  )
}

/** A session that loads a blob, and a link to a peer that says it has all of it. */
async function loading(node: ScriptedNode, content: BlobContent) {
  const table = new SessionTable(node.context)
  const { session } = await table.want({ digest: content.digest, sizeBytes })
  session.want(undefined)
  const { entry, link } = node.link(1)
  session.attach(entry)
  const tell = (claim: ClaimMessage): void => table.receive(entry, claim)
  const has = (): void => table.receive(entry, { ...emptyCopy(content.digest, sizeBytes), complete: true })
  return { table, session, entry, link, tell, has }
}

describe('claims that a peer tells', () => {
  test('are what pieces are asked for by', async () => {
    await using node = await scriptedNode()
    const content = seededContent(1, sizeBytes)
    const { table, link, tell, has } = await loading(node, content)
    has()
    assert.equal(link.open.length, 0, 'nothing can be checked')
    tell(claimOf({ digest: content.digest, sizeBytes, first: 2, hashes: hashesOf(content).subarray(64, 96) }))
    assert.deepEqual(link.open.map(({ piece }) => piece), [2])
    await table.close()
  })

  test('that nobody signed end the link', async () => {
    await using node = await scriptedNode()
    const content = seededContent(1, sizeBytes)
    const { table, link, tell } = await loading(node, content)
    const claim = claimOf({ digest: content.digest, sizeBytes, hashes: hashesOf(content) })
    tell({ ...claim, issuer: signer('another').peerId })
    assert.equal(link.closedWith?.code, 'ERR_PEER_PROTOCOL')
    await table.close()
  })

  test('of another size are of another blob', async () => {
    await using node = await scriptedNode()
    const content = seededContent(1, sizeBytes)
    const { table, link, tell, has } = await loading(node, content)
    tell(claimOf({ digest: content.digest, sizeBytes: sizeBytes - 1, hashes: hashesOf(content) }))
    has()
    assert.deepEqual([link.open.length, link.closedWith], [0, undefined])
    await table.close()
  })

  test('are not more than there can be', async () => {
    await using node = await scriptedNode()
    const content = seededContent(1, sizeBytes)
    const { table, link, tell } = await loading(node, content)
    const claim = claimOf({ digest: content.digest, sizeBytes, hashes: hashesOf(content) })
    for (let count = 0; count < 2 * layout.pieceCount + 16; count++) tell(claim)
    assert.equal(link.closed, false)
    tell(claim)
    assert.equal(link.closedWith?.code, 'ERR_PEER_LIMIT')
    await table.close()
  })

  test('are not kept of a blob that is complete here', async () => {
    await using node = await scriptedNode()
    const content = seededContent(1, sizeBytes)
    const bytes = content.read({ offset: 0, length: sizeBytes })
    await node.store.import({ digest: content.digest, size: sizeBytes, mediaType: 'x/y' }, (async function* () { yield bytes })())
    const table = new SessionTable(node.context)
    const { entry, link } = node.link(1)
    table.receive(entry, { ...emptyCopy(content.digest, sizeBytes), wants: true })
    await node.clock.advanceAsync(0)
    await node.clock.advanceAsync(0)
    const [told] = link.sent
    assert.ok(told?.type === 'claim')
    assert.deepEqual([told.first, Buffer.from(told.hashes).toString('hex')], [0, Buffer.from(hashesOf(content)).toString('hex')])
    assert.deepEqual(Buffer.from(told.issuer), Buffer.from(signer('self').peerId))
    table.receive(entry, { ...claimOf({ digest: content.digest, sizeBytes, hashes: hashesOf(content) }), signature: new Uint8Array(64) })
    assert.equal(link.closedWith, undefined, 'it is not even looked at')
    await table.close()
  })
})

describe('claims that a peer is told', () => {
  test('are the issuer’s own for pieces of peers, each once', async () => {
    await using node = await scriptedNode()
    const content = seededContent(1, sizeBytes)
    const { table, link, tell, has } = await loading(node, content)
    const issued = claimOf({ digest: content.digest, sizeBytes, hashes: hashesOf(content) })
    const other = node.link(2)
    table.receive(other.entry, { ...emptyCopy(content.digest, sizeBytes), wants: true })
    tell(issued)
    has()
    for (let given = 0; given < 3; given++) {
      const [request] = link.open
      assert.ok(request)
      link.give(request.piece, content.read(pieceRange(layout, request.piece)))
      await node.clock.advanceAsync(50)
    }
    const claims = other.link.sent.filter(({ type }) => type === 'claim')
    assert.deepEqual(claims, [issued])
    const told = other.link.sent.flatMap((message) => (message.type === 'have' ? message.pieces : []))
    assert.equal(new Set(told).size, 3)
    await table.close()
  })
})
