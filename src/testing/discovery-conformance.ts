import assert from 'node:assert/strict'
import { setImmediate } from 'node:timers/promises'
import { digestOf, type Digest } from '../core/digest.ts'
import type { Discovery, KnownPeer } from '../discovery/discovery.ts'
import type { ConformanceCase } from './conformance-case.ts'

/**
 * A discovery to be proved.
 * @public
 */
export interface DiscoveryFixture {
  readonly discovery: Discovery
  /** Peer id of the node that it works for. */
  readonly peerId: string
  /** Another node of the same network; leave it out for a discovery that does not tell topics apart. */
  readonly other?: { readonly discovery: Discovery; readonly peerId: string } | undefined
  /** Closes everything that was opened for it. */
  close(): Promise<void>
}

/**
 * The promises of {@link Discovery}, one case each, for any test runner.
 *
 * @param open - makes a fresh discovery for each case
 * @example
 * ```ts
 * import { test } from 'node:test'
 * import { discoveryConformance, type DiscoveryFixture } from 'damselfly/testing'
 *
 * declare function openMine(): Promise<DiscoveryFixture>
 * for (const { name, run } of discoveryConformance(openMine)) void test(`my discovery: ${name}`, run)
 * ```
 * @public
 */
export function discoveryConformance(open: () => Promise<DiscoveryFixture>): readonly ConformanceCase[] {
  return cases.map(({ name, run }) => ({
    name,
    async run() {
      const fixture = await open()
      try {
        await run(fixture)
      } finally {
        await fixture.close()
      }
    },
  }))
}

/** Far longer than any search should take: what goes on then is stuck. */
const patienceMs = 30_000
const topic = digestOf(Buffer.from('a topic of the conformance suite'))
const unknownTopic = digestOf(Buffer.from('a topic that nobody provides'))

const cases: readonly { readonly name: string; readonly run: (fixture: DiscoveryFixture) => Promise<void> }[] = [
  {
    name: 'the name is a lower-case word',
    async run({ discovery }) {
      assert.match(discovery.name, /^[a-z][a-z0-9-]*$/)
    },
  },
  {
    name: 'a search ends, also when nobody provides the topic',
    async run({ discovery }) {
      await findAll(discovery, unknownTopic)
    },
  },
  {
    name: 'every peer has one to eight addresses without its id, and none is the node itself',
    async run({ discovery, peerId, other }) {
      await discovery.provide(topic)
      if (other) await provideFor(discovery, other)
      for (const peer of await findAll(discovery, topic)) {
        assert.notEqual(peer.peerId, peerId)
        assert.ok(peer.addresses.length >= 1 && peer.addresses.length <= 8, `${peer.addresses.length} addresses`)
        for (const address of peer.addresses) assert.match(address, /^\/(?!.*\/p2p\/[^/]+$)/)
      }
    },
  },
  {
    name: 'what another node provides is found',
    async run({ discovery, other }) {
      if (!other) return
      await provideFor(discovery, other)
      assert.deepEqual(idsOf(await findAll(discovery, topic)), [other.peerId])
    },
  },
  {
    name: 'what another node provides is not found under another topic',
    async run({ discovery, other }) {
      if (!other) return
      await provideFor(discovery, other)
      assert.deepEqual(await findAll(discovery, unknownTopic), [])
    },
  },
  {
    name: 'searches at the same time find the same',
    async run({ discovery, other }) {
      if (other) await provideFor(discovery, other)
      const [one, two] = await Promise.all([findAll(discovery, topic), findAll(discovery, topic)])
      assert.deepEqual(idsOf(one ?? []), idsOf(two ?? []))
    },
  },
  {
    name: 'a search that was left finds the same when it is made again',
    async run({ discovery, other }) {
      if (other) await provideFor(discovery, other)
      let first: KnownPeer | undefined
      for await (const peer of search(discovery, topic)) {
        first = peer
        break
      }
      const found = await findAll(discovery, topic)
      assert.ok(!first || found.some((peer) => keyOf(peer) === keyOf(first)))
    },
  },
  {
    name: 'providing again, and withdrawing what was not provided, are no errors',
    async run({ discovery }) {
      await discovery.withdraw(unknownTopic)
      await discovery.provide(topic)
      await discovery.provide(topic)
      await discovery.withdraw(topic)
      await discovery.withdraw(topic)
    },
  },
  {
    name: 'a signal that is aborted rejects providing and searching with its reason',
    async run({ discovery }) {
      const reason = new RangeError('enough')
      const signal = AbortSignal.abort(reason)
      await assert.rejects(discovery.provide(topic, { signal }), reason)
      await assert.rejects(findAll(discovery, topic, signal), reason)
    },
  },
  {
    name: 'a search that is aborted midway ends, with the reason or because it was over',
    async run({ discovery }) {
      const reason = new RangeError('enough')
      const controller = new AbortController()
      const searching = findAll(discovery, unknownTopic, controller.signal)
      controller.abort(reason)
      await searching.catch((error: unknown) => assert.equal(error, reason))
    },
  },
  {
    name: 'nobody is found after it was closed, and nothing fails',
    async run({ discovery, other }) {
      if (other) await provideFor(discovery, other)
      await discovery.close()
      await discovery.close()
      await discovery.provide(topic)
      await discovery.withdraw(topic)
      assert.deepEqual(await findAll(discovery, topic), [])
    },
  },
  {
    name: 'closing ends a search that runs',
    async run({ discovery }) {
      const searching = findAll(discovery, unknownTopic)
      await discovery.close()
      await searching
    },
  },
]

/** Providing goes on after its call: the topic is searched for until the news has spread. */
async function provideFor(discovery: Discovery, other: NonNullable<DiscoveryFixture['other']>): Promise<void> {
  const signal = AbortSignal.timeout(patienceMs)
  await other.discovery.provide(topic)
  while ((await findAll(discovery, topic, signal)).length === 0) await setImmediate(undefined, { signal })
}

function search(discovery: Discovery, of: Digest, signal?: AbortSignal): AsyncIterable<KnownPeer> {
  return discovery.findPeers(of, { signal: signal ?? AbortSignal.timeout(patienceMs) })
}

async function findAll(discovery: Discovery, of: Digest, signal?: AbortSignal): Promise<KnownPeer[]> {
  const found: KnownPeer[] = []
  for await (const peer of search(discovery, of, signal)) found.push(peer)
  return found
}

function idsOf(found: readonly KnownPeer[]): string[] {
  return [...new Set(found.map(keyOf))].toSorted()
}

function keyOf(peer: KnownPeer): string {
  return peer.peerId ?? peer.addresses.join(' ')
}
