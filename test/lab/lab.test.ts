import assert from 'node:assert/strict'
import { describe, test } from 'vitest'
import { digestToBytes } from '../../src/core/digest.ts'
import type { StoredBlob } from '../../src/swarm/stored-blob.ts'
import { sharedContent } from './contents.ts'
import { holdsText } from './holds-text.ts'
import { Lab } from './lab.ts'
import { addLiar } from './liars.ts'
import { nothing, type LabNode } from './lab-node.ts'

const kib = 1024

async function bytesOf(blob: StoredBlob): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  for await (const chunk of blob.stream()) chunks.push(chunk)
  return Buffer.concat(chunks)
}

async function twoNodes(seed: number): Promise<{ lab: Lab; first: LabNode; second: LabNode; bytes: Buffer; fromPeers: number }> {
  const lab = new Lab(seed)
  const content = sharedContent(seed, 1300 * kib)
  const layer = (node: LabNode) => ({ digest: content.digest, size: content.sizeBytes, origin: lab.origin.of(content, node) })
  const [first, second] = [await lab.addNode(), await lab.addNode()]
  await lab.time.until(first.swarm.fetchLayer(layer(first)).then((blob) => blob.close()))
  const blob = await lab.time.until(second.swarm.fetchLayer(layer(second)))
  const bytes = await lab.time.until(bytesOf(blob))
  await blob.close()
  return { lab, first, second, bytes, fromPeers: blob.stats.bytes.peers }
}

describe('the fault laboratory', () => {
  test('carries a blob from node to node over production links, without a socket', async () => {
    const { lab, bytes, fromPeers } = await twoNodes(1)
    const content = sharedContent(1, 1300 * kib)
    assert.deepEqual(bytes, Buffer.from(content.read({ offset: 0, length: content.sizeBytes })))
    assert.equal(fromPeers, content.sizeBytes)
    assert.equal(lab.origin.sentBytes.get(content.digest), content.sizeBytes)
  })

  test('leaves nothing behind when nodes are closed', async () => {
    const { lab, first, second } = await twoNodes(2)
    for (const node of [first, second]) {
      assert.deepEqual(await lab.time.until(node.stop()), nothing)
    }
  })

  test('shows that a private blob of an open network is named to nobody, not even to ask for leave to read it', async () => {
    const lab = new Lab(5)
    const content = sharedContent(5, 1300 * kib)
    const [node] = [await lab.addNode(), await lab.addNode(), await lab.addNode()]
    let named = 0
    lab.network.tap = (frame) => {
      if (frame.kind === 'data' && Buffer.from(frame.bytes.subarray()).includes(Buffer.from(digestToBytes(content.digest)))) named++
    }
    const layer = { digest: content.digest, size: content.sizeBytes, private: true }
    const open = sharedContent(6, 1000)
    await lab.time.until(node.swarm.fetchLayer({ digest: open.digest, size: open.sizeBytes, origin: lab.origin.of(open, node) }))
    const blob = await lab.time.until(node.swarm.fetchLayer({ ...layer, origin: lab.origin.of(content, node, { private: true }) }))
    assert.ok(node.swarm.stats().links.length > 0)
    assert.equal(blob.stats.bytes.origin, content.sizeBytes)
    assert.equal(named, 0)
  })

  test('does the same for the same seed, and something else for another', async () => {
    const traces = async (): Promise<number[]> => [(await twoNodes(3)).lab.time.trace, (await twoNodes(4)).lab.time.trace]
    const [one, two] = [await traces(), await traces()]
    assert.deepEqual(one, two)
    assert.notEqual(one[0], one[1])
  })

  test('shows that a piece of the origin which somebody contradicts is read once more, and not for ever', async () => {
    const lab = new Lab(7)
    const content = sharedContent(7, 2048 * kib)
    const liar = await addLiar(lab, 'denies', content, [])
    const node = await lab.addNode()
    const blob = await lab.time.until(node.swarm.fetchLayer({ digest: content.digest, size: content.sizeBytes, origin: lab.origin.of(content, node) }))
    assert.equal(blob.stats.bytes.peers, 0)
    assert.deepEqual(node.told.filter(({ name }) => name === 'peer:banned').map(({ peerId }) => peerId), [liar.peer.peerId])
    assert.equal(lab.origin.sentBytes.get(content.digest), content.sizeBytes + 256 * kib)
  })

  test('finds a secret in what a node logs, wherever it is', () => {
    const secret = 'canary-1'
    const error = new TypeError('failed', { cause: Object.assign(new TypeError('because'), { options: { headers: [`Bearer ${secret}`] } }) })
    assert.equal(holdsText({ error }, secret), true)
    assert.equal(holdsText({ error: new TypeError(secret) }, secret), true)
    assert.equal(holdsText({ error }, 'canary-2'), false)
  })
})
