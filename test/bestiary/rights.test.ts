import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { Readable } from 'node:stream'
import { describe, test } from 'vitest'
import { digestToBytes, type Digest } from '../../src/core/digest.ts'
import type { Origin } from '../../src/core/origin.ts'
import { dht } from '../../src/discovery/dht-discovery.ts'
import type { DiscoveryContext, DiscoveryPlugin } from '../../src/discovery/discovery.ts'
import { topicKey } from '../../src/discovery/topic-key.ts'
import type { Libp2pStream, ReceivedBytes } from '../../src/net/libp2p-types.ts'
import type { Swarm } from '../../src/swarm/swarm.ts'
import { seededContent, type BlobContent } from '../../src/testing/seeded-content.ts'
import type { Message } from '../../src/wire/messages.ts'
import { pieceProtocol } from '../../src/wire/protocol.ts'
import { sharedContent } from '../lab/contents.ts'
import type { LabNode } from '../lab/lab-node.ts'
import { RawStream } from '../net/raw-peer.ts'
import { TestNodes } from '../support/nodes.ts'
import { rawLink } from './raw-link.ts'
import { originOf } from './real.ts'
import { Stage } from './stage.ts'

/** What came on a stream, and when, with the digest that was asked for left out. */
function recorder(stage: Stage, digest: Digest): { hear: (stream: Libp2pStream) => void; heard: string[] } {
  const { time } = stage.lab
  const startedMs = time.now
  const heard: string[] = []
  const hear = (stream: Libp2pStream): void =>
    stream.addEventListener('message', ({ data }: { data: ReceivedBytes }) => {
      const hex = Buffer.from(data.subarray()).toString('hex').replaceAll(Buffer.from(digestToBytes(digest)).toString('hex'), 'digest')
      heard.push(`${(time.now - startedMs).toFixed(3)} ms ${stream.protocol} ${hex}`)
    })
  return { hear, heard }
}

/** Somebody new asks a node for a blob in every way that there is; gives all that it is answered in ten seconds. */
async function ask(stage: Stage, node: LabNode, { digest, sizeBytes }: BlobContent, before: readonly Message[] = []): Promise<string[]> {
  const { time } = stage.lab
  const { connection, control } = await rawLink(stage, node)
  const data = new RawStream(await time.until(connection.newStream(pieceProtocol)))
  await time.run(time.now + 1000)
  const { hear, heard } = recorder(stage, digest)
  hear(control.stream)
  hear(data.stream)
  for (const message of before) control.send(message)
  control.send({ type: 'join', topic: digest, asks: true })
  control.send({ type: 'bitfield', digest, sizeBytes, wants: true, complete: false, private: false, bits: new Uint8Array(0) })
  data.send({ type: 'request', digest, piece: 0 })
  await time.run(time.now + 10_000)
  return heard
}

async function ownerOf(stage: Stage, content: BlobContent): Promise<LabNode> {
  const owner = await stage.node()
  const layer = { digest: content.digest, size: content.sizeBytes, private: true, origin: stage.lab.origin.of(content, owner, { private: true }) }
  const blob = await stage.lab.time.until(owner.swarm.fetchLayer(layer))
  assert.equal(blob.private, true)
  await stage.lab.time.until(blob.close())
  return owner
}

describe('peers that ask for what is not theirs', () => {
  test('B20: who asks for a private blob sees what it sees of one that is not here, to the byte and the moment', async () => {
    await using stage = new Stage(20, 5)
    const owner = await ownerOf(stage, stage.content)
    const [absent, open] = [sharedContent(201, stage.content.sizeBytes), sharedContent(202, stage.content.sizeBytes)]
    await stage.pull(owner, { content: open })
    const secret = await ask(stage, owner, stage.content)
    assert.equal(secret.length, 3, 'each question has an answer')
    assert.deepEqual(secret, await ask(stage, owner, absent))
    assert.equal(owner.swarm.stats().bytes.served, 0)
    assert.ok((await ask(stage, owner, open)).length > 3, 'who asks for a public one is given it')
    assert.deepEqual(stage.bans(owner), [])
  })

  test('B22: who crawls the DHT with digests that it knows learns of public topics only, and of none of a closed network', async () => {
    await using nodes = new TestNodes()
    const [secret, open] = [seededContent(22, 3000), seededContent(222, 4000)]
    const known = [secret, open].map(({ digest }) => topicKey(digest).toString())
    for (const [network, learnt] of [[undefined, [open]], [{ key: randomBytes(32) }, []]] as const) {
      const crawled = new CrawledDht()
      const node = await nodes.start([], { discovery: [crawled.plugin()], ...(network && { network }) })
      await pull(node, secret, true)
      await pull(node, open, false)
      await crawled.provided(network ? 2 : 1)
      assert.deepEqual(known.filter((key) => crawled.keys.has(key)), learnt.map(({ digest }) => topicKey(digest).toString()))
    }
  })
})

/** The DHT as somebody sees it to whom all questions and records go. */
class CrawledDht {
  /** Under which something was put or looked for. */
  readonly keys = new Set<string>()
  readonly #provided = new Set<string>()
  #changed = Promise.withResolvers<void>()

  plugin(): DiscoveryPlugin {
    const routing = {
      provide: async (key: { toString(): string }) => {
        this.keys.add(key.toString())
        this.#provided.add(key.toString())
        this.#changed.resolve()
        this.#changed = Promise.withResolvers()
      },
      cancelReprovide: async () => {},
      findProviders: (key: { toString(): string }) => {
        this.keys.add(key.toString())
        return Readable.from([])
      },
    }
    const seen = (node: DiscoveryContext['node']): DiscoveryContext['node'] =>
      new Proxy(node, {
        get: (target, name) => {
          const value: unknown = name === 'contentRouting' ? routing : Reflect.get(target, name, target)
          return typeof value === 'function' ? value.bind(target) : value
        },
      })
    return { name: 'dht', create: (context) => dht().create({ ...context, node: seen(context.node) }) }
  }

  async provided(count: number): Promise<void> {
    while (this.#provided.size < count) await this.#changed.promise
  }
}

async function pull(node: Swarm, content: BlobContent, usedCredentials: boolean): Promise<void> {
  const plain = originOf(content)
  const origin: Origin = { ...plain, read: async (range) => ({ ...(await plain.read(range)), usedCredentials }) }
  const layer = { digest: content.digest, size: content.sizeBytes, private: usedCredentials, origin }
  await using blob = await node.fetchLayer(layer)
  assert.equal(blob.private, usedCredentials)
}
