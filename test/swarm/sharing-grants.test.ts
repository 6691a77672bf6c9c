import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'vitest'
import { systemClock, type Clock } from '../../src/core/clock.ts'
import { issueGrant, newGrantKey, parseGrant } from '../../src/net/grants.ts'
import { ShownGrants } from '../../src/swarm/shown-grants.ts'
import type { Swarm } from '../../src/swarm/swarm.ts'
import { fakeClock } from '../../src/testing/fake-clock.ts'
import { embeddedOrigin, type EmbeddedOrigin } from '../../src/testing/embedded-origin.ts'
import { testImage } from '../../src/testing/test-image.ts'
import { decodeGrant } from '../../src/trust/grant.ts'
import { TestNodes } from '../support/nodes.ts'
import { ScriptedLink } from '../support/scripted-link.ts'

const mib = 1024 * 1024
const auth = { scheme: 'basic', username: 'alice', password: 'opensesame' } as const
const image = testImage({ seed: 3, layerSizes: [2 * mib, 1000] })
const blobs = [image.manifest, image.config, ...image.layers]
const denied = { code: 'ERR_SWARM_NO_SOURCE' }

/** Nodes whose identity lasts, so that grants can be issued for them. */
class Fleet implements AsyncDisposable {
  readonly nodes = new TestNodes()
  readonly origin: EmbeddedOrigin
  readonly #folder: string
  readonly authority = newGrantKey()
  owner: Swarm | undefined

  private constructor(origin: EmbeddedOrigin, folder: string) {
    this.origin = origin
    this.#folder = folder
  }

  /** A node that has the image, and gives it to whom the authority lets. */
  static async open(): Promise<Fleet> {
    const origin = await embeddedOrigin({ auth })
    image.addTo(origin, 'team/app', 'v1')
    const fleet = new Fleet(origin, await mkdtemp(join(tmpdir(), 'damselfly-grants-')))
    fleet.owner = await fleet.nodes.start([], {
      origins: [origin],
      credentials: { [origin.host]: { username: 'alice', password: auth.password } },
      sharing: { rules: [{ match: `${origin.host}/team/**`, access: { grant: { issuers: [fleet.authority.issuer] } } }] },
    })
    await fleet.owner.fetchImage(`${origin.host}/team/app:v1`)
    return fleet
  }

  get reference(): string {
    return `${this.origin.host}/team/app@${image.manifest.digest}`
  }

  /** The peer id of a node of that name. */
  async peerId(name: string): Promise<string> {
    const node = await this.nodes.start([], { identityFile: join(this.#folder, name) })
    await node.close()
    return node.peerId
  }

  async grantFor(name: string, options: { match?: string; ttlMs?: number; key?: string; clock?: Clock } = {}): Promise<string> {
    const { match = `${this.origin.host}/team/*`, key = this.authority.key, ...rest } = options
    return issueGrant({ key, match, peerId: await this.peerId(name), ...rest })
  }

  /** A node that has no credentials, and may not ask the registry. */
  start(name: string, grants: string[] = [], others: (Swarm | undefined)[] = [this.owner]): Promise<Swarm> {
    return this.nodes.start(
      others.filter((node) => node !== undefined),
      { identityFile: join(this.#folder, name), origins: [this.origin], origin: 'never', grants },
    )
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.nodes[Symbol.asyncDispose]()
    await this.origin.close()
    await rm(this.#folder, { recursive: true })
  }
}

describe('a grant', () => {
  test('lets exactly the peer read that it is for, and what it gets stays private', async () => {
    await using fleet = await Fleet.open()
    const stranger = await fleet.start('stranger')
    await assert.rejects(stranger.fetchImage(fleet.reference), denied)
    const friend = await fleet.start('friend', [await fleet.grantFor('friend')])
    const got = await friend.fetchImage(fleet.reference)
    assert.deepEqual([got.stats.bytes.origin, got.stats.bytes.peers], [0, got.stats.bytes.total])
    for (const { digest } of blobs) {
      const facts = await friend.store.stat(digest)
      assert.deepEqual([facts?.private, facts?.repositories?.toSorted()], [true, ['', `${fleet.origin.host}/team/app`]])
    }
    const third = await fleet.start('third', [], [friend, fleet.owner])
    await assert.rejects(third.fetchImage(fleet.reference), denied)
    for (const { digest, size } of blobs) await assert.rejects(third.fetchLayer({ digest, size }), denied)
    assert.equal(friend.stats().bytes.served, 0)
  })

  test('of another issuer, for something else, or of the past opens nothing', async () => {
    await using fleet = await Fleet.open()
    const yesterday: Clock = { ...systemClock, wallMs: () => Date.now() - 86_400_000 }
    const grants = [
      await fleet.grantFor('friend', { key: newGrantKey().key }),
      await fleet.grantFor('friend', { match: `${fleet.origin.host}/team` + '/other' }),
      await fleet.grantFor('friend', { clock: yesterday }),
    ]
    const friend = await fleet.start('friend', grants)
    await assert.rejects(friend.fetchImage(fleet.reference), denied)
    assert.equal(fleet.owner?.stats().bytes.served, 0)
  })

  test('for another node is refused where it is configured, and so is what is none', async () => {
    await using fleet = await Fleet.open()
    const grant = await fleet.grantFor('friend')
    const wrong = { code: 'ERR_REQUEST_OPTION' }
    await assert.rejects(fleet.start('other', [grant]), { ...wrong, message: /is not for this node/ })
    await assert.rejects(fleet.start('friend', [grant.slice(1)]), { ...wrong, message: /grants\[0\] is no grant/ })
  })
})

describe('ShownGrants', () => {
  const clock = fakeClock()
  const authority = newGrantKey()

  /** A link to the peer of a grant. */
  function linkTo(grant: Uint8Array): { entry: { link: ScriptedLink }; link: ScriptedLink } {
    const link = new ScriptedLink('peer 1')
    Object.assign(link, { peerIdBytes: decodeGrant(grant)?.subject })
    return { entry: { link }, link }
  }

  function issued(match = 'r/**', options: { ttlMs?: number; key?: string } = {}): Uint8Array {
    const peerId = '12D3KooWGC6TvWhfapngX6wvJHMYvKpDMXPb3ZnCZ6dMoaMtimQ5'
    return parseGrant(issueGrant({ key: authority.key, peerId, match, clock, ...options })) ?? assert.fail()
  }

  function shown(own: Uint8Array[] = []): { grants: ShownGrants; changes: () => number } {
    let changes = 0
    const onChange = (): void => void changes++
    const grants = new ShownGrants({ own: own.flatMap((bytes) => decodeGrant(bytes) ?? []), issuers: new Set([authority.issuer]), clock, onChange })
    return { grants, changes: () => changes }
  }

  test('takes in what counts, and tells nobody of the rest', () => {
    const { grants, changes } = shown()
    const good = issued()
    const { entry, link } = linkTo(good)
    const forged = Uint8Array.from(good, (byte, at) => (at === good.byteLength - 1 ? byte ^ 1 : byte))
    for (const bytes of [forged, issued('r/**', { key: newGrantKey().key }), Uint8Array.of(1, 2, 3)]) grants.receive(entry, bytes)
    // The same grant, replayed by another peer.
    const other = new ScriptedLink('peer 2')
    grants.receive({ link: other }, good)
    assert.deepEqual([grants.heldBy(entry), grants.heldBy({ link: other }), changes()], [[], [], 0])
    grants.receive(entry, good)
    assert.deepEqual(grants.heldBy(entry).map(({ issuer, pattern }) => [issuer, pattern.text]), [[authority.issuer, 'r/**']])
    assert.deepEqual([changes(), link.sent, other.sent], [1, [], []])
    grants.closed(entry)
    assert.deepEqual(grants.heldBy(entry), [])
    assert.equal(clock.timerCount, 0)
  })

  test('takes in sixteen on a link, good or bad', () => {
    const { grants } = shown()
    const good = issued()
    const { entry } = linkTo(good)
    for (let count = 0; count < 16; count++) grants.receive(entry, Uint8Array.of(count))
    grants.receive(entry, good)
    assert.deepEqual(grants.heldBy(entry), [])
  })

  test('looks again when one has run out, a minute later', async () => {
    const { grants, changes } = shown()
    const good = issued('r/**', { ttlMs: 5000 })
    const { entry } = linkTo(good)
    grants.receive(entry, good)
    const lifeMs = (decodeGrant(good)?.expiresMs ?? 0) - clock.wallMs() + 60_000
    await clock.advanceAsync(lifeMs)
    assert.equal(changes(), 1)
    await clock.advanceAsync(1)
    assert.equal(changes(), 2)
    grants.close()
  })

  test('shows a grant once on a link, and only for what it covers while it lasts', async () => {
    const grant = issued('r/a/*', { ttlMs: 5000 })
    const { grants } = shown([grant])
    const { entry, link } = linkTo(grant)
    assert.deepEqual([grants.show(entry, ['r/b/c']), grants.covers(['r/b/c']), grants.wasShown(entry)], [false, false, false])
    assert.deepEqual([grants.show(entry, ['r/a/c']), grants.show(entry, ['r/a/d']), grants.wasShown(entry)], [true, false, true])
    assert.deepEqual(link.sent, [{ type: 'grant', grant }])
    await clock.advanceAsync(66_000)
    assert.equal(grants.covers(['r/a/c']), false)
    grants.close()
  })
})
