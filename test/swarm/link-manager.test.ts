import assert from 'node:assert/strict'
import { describe, test } from 'vitest'
import { acceptedLinks, wantedLinks } from '../../src/engine/dial-policy.ts'
import { guestsPerLink, LinkBook } from '../../src/engine/links.ts'
import type { Link } from '../../src/net/link.ts'
import type { LinkHost } from '../../src/net/link-host.ts'
import type { MemberAddresses } from '../../src/net/member-addresses.ts'
import { LinkManager } from '../../src/swarm/link-manager.ts'
import { placeOf } from '../../src/swarm/node-order.ts'
import type { LinkEntry } from '../../src/swarm/swarm-context.ts'
import type { Member } from '../../src/wire/messages.ts'
import { scriptedNode, ScriptedLink, type ScriptedNode } from '../support/scripted-link.ts'

const location = { region: '', zone: '', rack: '' }
const address = '/ip4/127.0.0.1/tcp/1'

interface Managed {
  readonly manager: LinkManager
  readonly book: LinkBook
  /** Dials under way, by peer id or address. */
  readonly dials: Map<string, { answer(peerId: string): void; fail(): void; readonly signal: AbortSignal }>
  readonly opened: LinkEntry[]
  readonly closed: LinkEntry[]
}

/** Whoever dials waits for the test; whoever is dialled is linked when the test says so. */
function managed(node: ScriptedNode, options: { isSupernode?: boolean } = {}): Managed {
  const dials: Managed['dials'] = new Map()
  const [opened, closed]: [LinkEntry[], LinkEntry[]] = [[], []]
  const host = {
    dial: ({ peerId, addresses }: { peerId?: string; addresses: readonly string[] }, { signal }: { signal: AbortSignal }) => {
      const { promise, resolve, reject } = Promise.withResolvers<Link>()
      const answer = (name: string): void => {
        const link = linkTo(name, false)
        manager.opened(link)
        resolve(link)
      }
      signal.addEventListener('abort', () => reject(signal.reason), { once: true })
      dials.set(peerId ?? addresses[0] ?? '', { answer, fail: () => reject(new Error('nobody is there')), signal })
      return promise
    },
  } as unknown as LinkHost
  const addresses = {
    read: (member: Member) => ({ peerId: Buffer.from(member.peerId).toString(), addresses: [address] }),
    describe: async (peer: { peerId: string; supernode: boolean }) => ({ ...member(peer.peerId), supernode: peer.supernode }),
  } as unknown as MemberAddresses
  const place = placeOf(Buffer.from('self'))
  const { context } = node
  const book = new LinkBook('self', 64, context.random, { location, placeOf: (peerId) => placeOf(Buffer.from(peerId)) })
  const manager = new LinkManager({
    context: context as ConstructorParameters<typeof LinkManager>[0]['context'],
    host,
    book,
    addresses,
    self: { key: 'self', place, supernode: false, location },
    handlers: { opened: (entry) => opened.push(entry), closed: (entry) => closed.push(entry) },
    isSupernode: () => options.isSupernode ?? false,
  })
  return { manager, book, dials, opened, closed }
}

function linkTo(peerId: string, inbound: boolean, supernode = false): Link {
  const link = new ScriptedLink(peerId)
  return Object.assign(link, { inbound, hello: { ...link.hello, supernode } })
}

function member(peerId: string, supernode = false): Member {
  return { peerId: Buffer.from(peerId), supernode, location, addresses: [] }
}

describe('links of a node', () => {
  test('a known peer is dialled once for all who want to be linked to it', async () => {
    await using node = await scriptedNode()
    const { manager, dials, opened } = managed(node)
    manager.found({ peerId: 'a', addresses: [address] }, 'dht')
    const entries = Promise.all([manager.connectTo('a'), manager.connectTo('a')])
    assert.equal(dials.size, 1)
    dials.get('a')?.answer('a')
    const [first, second] = await entries
    assert.ok(first && first === second && first === opened[0])
    assert.equal(manager.entryTo('a'), first)
    assert.deepEqual(first.foundBy, ['dht'])
    assert.equal(node.clock.timerCount, 0)
  })

  test('nobody is linked to a peer that is unknown, or cannot be reached', async () => {
    await using node = await scriptedNode()
    const { manager, dials } = managed(node)
    assert.equal(await manager.connectTo('a'), undefined)
    manager.found({ peerId: 'a', addresses: [address] }, 'dht')
    const entry = manager.connectTo('a')
    dials.get('a')?.fail()
    assert.equal(await entry, undefined)
  })

  test('a peer dialled by its address is known by its name from then on', async () => {
    await using node = await scriptedNode()
    const { manager, dials, opened } = managed(node)
    const linked = manager.connect({ addresses: [address] }, 'peers')
    dials.get(address)?.answer('a')
    assert.equal(await linked, true)
    assert.deepEqual(opened.map(({ foundBy }) => foundBy), [['peers']])
    assert.deepEqual(manager.nearest(new Uint8Array(32), 8).map(({ key }) => key), ['a'])
  })

  test('a dial that takes ten seconds is given up', async () => {
    await using node = await scriptedNode()
    const { manager, dials } = managed(node)
    manager.found({ peerId: 'a', addresses: [address] }, 'dht')
    const entry = manager.connectTo('a')
    await node.clock.advanceAsync(9999)
    assert.equal(dials.get('a')?.signal.aborted, false)
    await node.clock.advanceAsync(1)
    assert.equal(await entry, undefined)
  })

  test('peers are dialled on their own only while something loads', async () => {
    await using node = await scriptedNode()
    const { manager, dials } = managed(node)
    manager.found({ peerId: 'a', addresses: [address] }, 'dht')
    assert.equal(dials.size, 0)
    manager.load(1)
    assert.equal(dials.size, 1)
    manager.load(-1)
    manager.found({ peerId: 'b', addresses: [address] }, 'dht')
    assert.equal(dials.size, 1)
  })

  test('dials are waited for as long as is said', async () => {
    await using node = await scriptedNode()
    const { manager, dials } = managed(node)
    manager.found({ peerId: 'a', addresses: [address] }, 'dht')
    void manager.connectTo('a')
    let over = false
    const done = manager.dialsDone(1000).then(() => (over = true))
    await node.clock.advanceAsync(999)
    assert.equal(over, false)
    await node.clock.advanceAsync(1)
    await done
    const sooner = manager.dialsDone(1000)
    dials.get('a')?.answer('a')
    await sooner
  })

  test('a closed link is told of once, and a link that is not the peer’s is none', async () => {
    await using node = await scriptedNode()
    const { manager, closed } = managed(node)
    const link = linkTo('a', true)
    manager.opened(link)
    manager.closed(linkTo('a', true))
    assert.equal(closed.length, 0)
    assert.equal(manager.entryOf(link)?.link, link)
    for (let times = 0; times < 2; times++) manager.closed(link)
    assert.equal(closed.length, 1)
    assert.equal(manager.entryTo('a'), undefined)
    assert.equal(node.context.links.size, 0)
  })

  test('to close it ends the dials', async () => {
    await using node = await scriptedNode()
    const { manager } = managed(node)
    manager.found({ peerId: 'a', addresses: [address] }, 'dht')
    const entry = manager.connectTo('a')
    await manager.close()
    assert.equal(await entry, undefined)
    assert.equal(node.clock.timerCount, 0)
  })
})

describe('links of a full node', () => {
  test('who comes when there are links enough is a guest, and leaves after one silent second', async () => {
    await using node = await scriptedNode()
    const { manager, opened } = managed(node)
    manager.load(1)
    for (let count = 0; count <= acceptedLinks; count++) manager.opened(linkTo(`peer ${count}`, true))
    assert.deepEqual(opened.map(({ guest }) => guest), [...opened.slice(1).map(() => false), true])
    const guest = opened.at(-1)
    assert.ok(guest?.link instanceof ScriptedLink)
    const { link } = guest
    node.clock.advance(800)
    guest.heardMs = node.clock.monotonicMs()
    node.clock.advance(1000)
    manager.dismissGuests()
    assert.equal(link.closed, false)
    node.clock.advance(1)
    manager.dismissGuests()
    assert.equal(link.closed, true)
    assert.ok(opened.slice(0, -1).every((entry) => !(entry.link as ScriptedLink).closed))
  })

  test('more guests than there is room for are turned away at once', async () => {
    await using node = await scriptedNode()
    const { manager, opened } = managed(node)
    manager.load(1)
    const room = 64 * guestsPerLink
    const links = Array.from({ length: acceptedLinks + room + 1 }, (_, index) => linkTo(`peer ${index}`, true))
    for (const link of links) manager.opened(link)
    assert.equal(opened.length, acceptedLinks + room)
    assert.equal(links.filter((link) => (link as ScriptedLink).closed).length, 1)
  })

  test('who is told that it is one is linked elsewhere, and leaves after one silent second', async () => {
    await using node = await scriptedNode()
    const { manager, dials, opened, book } = managed(node)
    for (let index = 0; index < 12; index++) manager.found({ peerId: `p${index}`, addresses: [address] }, 'dht')
    manager.load(1)
    const [full, ...others] = dials.keys()
    assert.ok(full)
    for (const peerId of [full, ...others]) dials.get(peerId)?.answer(peerId)
    await node.clock.advanceAsync(500)
    manager.dialReady()
    for (const peerId of [...dials.keys()].slice(others.length + 1)) dials.get(peerId)?.answer(peerId)
    assert.equal(book.linkedCount, wantedLinks)
    const guests = opened.slice(0, 3)
    for (const entry of guests) manager.becameGuest(entry)
    assert.equal(book.linkedCount, wantedLinks - 3)
    await node.clock.advanceAsync(1001)
    manager.dialReady()
    assert.equal(dials.size, wantedLinks + 2, 'all that are known')
    manager.dismissGuests()
    assert.deepEqual(opened.filter(({ link }) => (link as ScriptedLink).closed), guests)
  })

  test('who dialled is no guest there', async () => {
    await using node = await scriptedNode()
    const { manager, opened } = managed(node)
    manager.load(1)
    for (let count = 0; count < acceptedLinks; count++) manager.opened(linkTo(`peer ${count}`, true))
    manager.opened(linkTo('dialled', false))
    assert.equal(opened.at(-1)?.guest, false)
  })
})

describe('what is told of peers', () => {
  test('one that says it is a supernode is one only where it is believed', async () => {
    for (const isSupernode of [true, false]) {
      await using node = await scriptedNode()
      const { manager, opened } = managed(node, { isSupernode })
      manager.opened(linkTo('a', true, true))
      assert.equal(opened[0]?.supernode, isSupernode)
      assert.equal(manager.nearest(new Uint8Array(32), 8)[0]?.supernode, isSupernode)
    }
  })

  test('a member that another names as a supernode is one only in a closed network', async () => {
    await using node = await scriptedNode()
    const { manager } = managed(node)
    assert.equal(manager.introduced(member('a', true), false)?.supernode, false)
    assert.equal(manager.introduced(member('b', true), true)?.supernode, true)
    assert.equal(manager.introduced(member('self'), true), undefined)
  })

  test('others are told where a peer is, by its name', async () => {
    await using node = await scriptedNode()
    const { manager } = managed(node)
    manager.introduced(member('a', true), true)
    assert.deepEqual(await manager.describe('a'), member('a', true))
    assert.equal(await manager.describe('unknown'), undefined)
  })

  test('ranks are known peers, the nearest first', async () => {
    await using node = await scriptedNode()
    const { manager } = managed(node)
    for (const name of ['a', 'b', 'c']) manager.found({ peerId: name, addresses: [address] }, 'dht')
    const target = placeOf(Buffer.from('b'))
    assert.equal(manager.nearest(target, 2)[0]?.key, 'b')
    assert.equal(manager.nearest(target, 2).length, 2)
    assert.equal(manager.estimateNodeCount(), 4)
  })
})
