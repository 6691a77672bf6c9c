import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { Readable } from 'node:stream'
import { describe, test } from 'vitest'
import type { Clock } from '../../src/core/clock.ts'
import { digestToBytes, type Digest } from '../../src/core/digest.ts'
import type { Origin } from '../../src/core/origin.ts'
import { dht } from '../../src/discovery/dht-discovery.ts'
import type { DiscoveryContext, DiscoveryPlugin } from '../../src/discovery/discovery.ts'
import { topicKey } from '../../src/discovery/topic-key.ts'
import { issueGrant, newGrantKey } from '../../src/net/grants.ts'
import type { Libp2pStream, ReceivedBytes } from '../../src/net/libp2p-types.ts'
import type { SwarmOptions } from '../../src/swarm/swarm-init.ts'
import type { Swarm } from '../../src/swarm/swarm.ts'
import { seededContent, type BlobContent } from '../../src/testing/seeded-content.ts'
import { pieceProtocol } from '../../src/wire/protocol.ts'
import { sharedContent } from '../lab/contents.ts'
import type { LabNode } from '../lab/lab-node.ts'
import { RawStream } from '../net/raw-peer.ts'
import { withOneBitTurned } from '../support/fake-peer.ts'
import { TestNodes } from '../support/nodes.ts'
import { rawLink } from './raw-link.ts'
import { originOf } from './real.ts'
import { Stage } from './stage.ts'

const hourMs = 3_600_000

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
async function ask(
  stage: Stage,
  node: LabNode,
  { digest, sizeBytes }: BlobContent,
  { joins = false, grants = () => [] }: { joins?: boolean; grants?: (peerId: string) => readonly string[] } = {},
): Promise<string[]> {
  const { time } = stage.lab
  const { host, connection, control } = await rawLink(stage, node)
  const data = new RawStream(await time.until(connection.newStream(pieceProtocol)))
  await time.run(time.now + 1000)
  const heardBytes = control.receivedBytes
  for (const grant of grants(host.peerId.toString())) control.send({ type: 'grant', grant: Buffer.from(grant, 'base64url') })
  await time.run(time.now + 1000)
  assert.equal(control.receivedBytes, heardBytes, 'a grant gets no answer')
  const { hear, heard } = recorder(stage, digest)
  hear(control.stream)
  hear(data.stream)
  // Who joins is named to who asks later.
  if (joins) control.send({ type: 'join', topic: digest, asks: true })
  control.send({ type: 'bitfield', digest, sizeBytes, wants: true, complete: false, private: false, bits: new Uint8Array(0) })
  data.send({ type: 'request', digest, piece: 0 })
  await time.run(time.now + 10_000)
  return heard
}

/** A node that has a private blob of the repository `lab.example/private`. */
async function ownerOf(stage: Stage, content: BlobContent, options: SwarmOptions = {}): Promise<LabNode> {
  const owner = await stage.node(options)
  const layer = { digest: content.digest, size: content.sizeBytes, private: true, origin: stage.lab.origin.of(content, owner, { private: true }) }
  const blob = await stage.lab.time.until(owner.swarm.fetchLayer(layer))
  assert.equal(blob.private, true)
  await stage.lab.time.until(blob.close())
  return owner
}

describe('peers that ask for what is not theirs', () => {
  test('B19: a grant of somebody else, an old one, or one for something else is worth what none is, and looks no different', async () => {
    await using stage = new Stage(19, 5)
    const [{ key, issuer }, other] = [newGrantKey(), newGrantKey()]
    const rules = [{ match: 'lab.example/private', access: { grant: { issuers: [issuer] } } }]
    const owner = await ownerOf(stage, stage.content, { sharing: { rules } })
    const match = 'lab.example/**'
    const at = (shiftMs: number): Clock => ({
      monotonicMs: () => owner.loop.monotonicMs(),
      wallMs: () => owner.loop.wallMs() + shiftMs,
      after: (delayMs, callback) => owner.loop.after(delayMs, callback),
    })
    const good = (peerId: string): string => issueGrant({ key, peerId, match, clock: at(0) })
    const worthless: Record<string, (peerId: string) => string> = {
      'of somebody else': () => good(owner.peerId),
      'that is over': (peerId) => issueGrant({ key, peerId, match, clock: at(-2 * hourMs) }),
      'that does not hold yet': (peerId) => issueGrant({ key, peerId, match, clock: at(hourMs) }),
      'of another issuer': (peerId) => issueGrant({ key: other.key, peerId, match, clock: at(0) }),
      'for another repository': (peerId) => issueGrant({ key, peerId, match: 'lab.example/other', clock: at(0) }),
      'whose signature was turned': (peerId) => Buffer.from(withOneBitTurned(Buffer.from(good(peerId), 'base64url'))).toString('base64url'),
      'that is none': () => Buffer.from('no grant at all').toString('base64url'),
    }
    const without = await ask(stage, owner, stage.content)
    assert.equal(without.length, 2, 'each question has an answer')
    for (const [name, grant] of Object.entries(worthless)) {
      assert.deepEqual(await ask(stage, owner, stage.content, { grants: (peerId) => [grant(peerId)] }), without, `a grant ${name}`)
    }
    assert.equal(owner.swarm.stats().bytes.served, 0)
    const all = (peerId: string): string[] => [...Object.values(worthless).map((grant) => grant(peerId)), good(peerId)]
    assert.ok((await ask(stage, owner, stage.content, { grants: all })).length > 2, 'a good one counts, whatever else is shown')
    assert.equal(owner.swarm.stats().bytes.served, stage.layout.pieceLength)
    assert.deepEqual(stage.bans(owner), [])
  })

  test('B20: who asks for a private blob sees what it sees of one that is not here, to the byte and the moment', async () => {
    await using stage = new Stage(20, 5)
    const owner = await ownerOf(stage, stage.content)
    const [absent, open] = [sharedContent(201, stage.content.sizeBytes), sharedContent(202, stage.content.sizeBytes)]
    await stage.pull(owner, { content: open })
    const secret = await ask(stage, owner, stage.content, { joins: true })
    assert.equal(secret.length, 3, 'each question has an answer')
    assert.deepEqual(secret, await ask(stage, owner, absent, { joins: true }))
    assert.equal(owner.swarm.stats().bytes.served, 0)
    assert.ok((await ask(stage, owner, open, { joins: true })).length > 3, 'who asks for a public one is given it')
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
