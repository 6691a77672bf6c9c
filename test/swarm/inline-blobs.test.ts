import assert from 'node:assert/strict'
import { describe, test } from 'vitest'
import { digestOf, type Digest } from '../../src/core/digest.ts'
import { InlineBlobs } from '../../src/swarm/inline-blobs.ts'
import type { Inline } from '../../src/wire/messages.ts'
import { scriptedNode, type ScriptedLink, type ScriptedNode } from '../support/scripted-link.ts'

const topic = digestOf(Buffer.from('topic'))

function blob(name: string, sizeBytes = name.length): { bytes: Uint8Array; digest: Digest } {
  const bytes = Buffer.from(name.padEnd(sizeBytes, '.'))
  return { bytes, digest: digestOf(bytes) }
}

function inlineOf({ bytes, digest }: { bytes: Uint8Array; digest: Digest }): Inline {
  return { type: 'inline', digest, bytes }
}

async function keep(node: ScriptedNode, { bytes, digest }: ReturnType<typeof blob>, isPrivate = false): Promise<void> {
  const chunks = (async function* () {
    yield bytes
  })()
  await node.store.import({ digest, size: bytes.byteLength, mediaType: 'text/plain' }, chunks, { private: isPrivate })
}

function inlineBlobs(node: ScriptedNode): { inline: InlineBlobs; arrived: Digest[] } {
  const arrived: Digest[] = []
  return { inline: new InlineBlobs(node.context, (digest) => arrived.push(digest)), arrived }
}

function sent(link: ScriptedLink): Digest[] {
  return link.sent.flatMap((message) => (message.type === 'inline' ? [message.digest] : []))
}

describe('inline blobs', () => {
  test('one that matches its digest is kept and told of, another is ignored', async () => {
    await using node = await scriptedNode()
    const { inline, arrived } = inlineBlobs(node)
    const { entry } = node.link(1)
    const [good, other] = [blob('good'), blob('other')]
    inline.receive(entry, { type: 'inline', digest: other.digest, bytes: good.bytes })
    assert.deepEqual([inline.get(other.digest), arrived], [undefined, []])
    inline.receive(entry, inlineOf(good))
    assert.deepEqual(inline.get(good.digest), { bytes: good.bytes, from: entry })
    assert.deepEqual(arrived, [good.digest])
  })

  test('sixty-four are kept', async () => {
    await using node = await scriptedNode()
    const { inline } = inlineBlobs(node)
    const { entry } = node.link(1)
    const blobs = Array.from({ length: 65 }, (_, index) => blob(`blob ${index}`))
    for (const each of blobs) inline.receive(entry, inlineOf(each))
    assert.equal(blobs.filter(({ digest }) => inline.get(digest)).length, 64)
    assert.equal(inline.get(blobs[0]?.digest ?? topic), undefined)
  })

  test('who joins gets the small public blobs of the topic, and the one that the topic is', async () => {
    await using node = await scriptedNode()
    const { inline } = inlineBlobs(node)
    const [manifest, config] = [blob('manifest'), blob('config')]
    for (const each of [manifest, config]) await keep(node, each)
    inline.learn(manifest.digest, config.digest, config.bytes.byteLength)
    const { entry, link } = node.link(1)
    await inline.offer(entry, manifest.digest)
    assert.deepEqual(sent(link), [manifest.digest, config.digest])
    await inline.offer(entry, topic)
    assert.equal(sent(link).length, 2)
  })

  test('four at most', async () => {
    await using node = await scriptedNode()
    const { inline } = inlineBlobs(node)
    const blobs = Array.from({ length: 6 }, (_, index) => blob(`blob ${index}`))
    for (const each of blobs) {
      await keep(node, each)
      inline.learn(topic, each.digest, each.bytes.byteLength)
    }
    const { entry, link } = node.link(1)
    await inline.offer(entry, topic)
    const blobCount = sent(link).length
    assert.ok(blobCount >= 3 && blobCount <= 4, `${blobCount} blobs`)
  })

  test('none that is private, and none of more than 16 KiB', async () => {
    await using node = await scriptedNode({ closedNetwork: true })
    const { inline } = inlineBlobs(node)
    const [secret, large, just] = [blob('secret'), blob('large', 16 * 1024 + 1), blob('just', 16 * 1024)]
    await keep(node, secret, true)
    await keep(node, large)
    await keep(node, just)
    for (const each of [secret, large, just]) inline.learn(topic, each.digest, each.bytes.byteLength)
    const { entry, link } = node.link(1)
    await inline.offer(entry, topic)
    assert.deepEqual(sent(link), [just.digest])
    assert.equal(await inline.give(entry, secret.digest), false)
    assert.equal(await inline.give(entry, large.digest), false)
    assert.equal(await inline.give(entry, just.digest), true)
  })

  test('what somebody handed in is given on like what is in the store, and what is nowhere is not', async () => {
    await using node = await scriptedNode()
    const { inline } = inlineBlobs(node)
    const [handedIn, own, nowhere] = [blob('handed in'), blob('own'), blob('nowhere')]
    await keep(node, own)
    inline.receive(node.link(1).entry, inlineOf(handedIn))
    const { entry, link } = node.link(2)
    const given = await Promise.all([handedIn, own, nowhere].map(({ digest }) => inline.give(entry, digest)))
    assert.deepEqual(given, [true, true, false])
    assert.deepEqual(sent(link).toSorted(), [handedIn.digest, own.digest].toSorted())
  })
})
