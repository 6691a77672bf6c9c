import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { networkInterfaces } from 'node:os'
import { peerIdFromMultihash, peerIdFromString } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import * as Multihash from 'multiformats/hashes/digest'
import { describe, test } from 'vitest'
import { isInRange, parseIp, parseIpRange } from '../../src/core/ip-address.ts'
import type { KnownPeer } from '../../src/discovery/discovery.ts'
import type { Link } from '../../src/net/link.ts'
import type { ControlMessage, Member } from '../../src/wire/messages.ts'
import type { LabNode } from '../lab/lab-node.ts'
import { finds, Stage } from './stage.ts'

/** As docs/spec/tracker.md promises: whatever discovery finds, a pull is at most so much slower than from the origin directly. */
const patienceMs = 4000

/** Addresses that a node dials, in order. */
function dialsOf(node: LabNode): string[] {
  const dialled: string[] = []
  const { libp2p } = node
  const dial = libp2p.dial.bind(libp2p)
  libp2p.dial = (targets, options) => {
    dialled.push(...[targets].flat().map(String))
    return dial(targets, options)
  }
  return dialled
}

describe('discovery in the wrong hands', () => {
  test('B17: ten thousand providers that are not there, and an eclipse by ones that give nothing, cost four seconds at most', async () => {
    await using stage = new Stage(17, 12, { prefix: '8.8' })
    const originOnlyMs = await stage.originOnlyMs()
    // Of four prefixes, so that diversity counts.
    const dead = Array.from({ length: 10_000 }, (_, index): KnownPeer => ({
      peerId: nobody(index),
      addresses: [`/ip4/93.184.${index % 4}.${1 + (index % 250)}/tcp/${4000 + (index >> 8)}`],
    }))
    const liars = [
      await stage.badPeer({ answer: () => {} }, { address: '/ip4/8.9.1.1/tcp/4001', advertised: false }),
      await stage.badPeer({ answer: (request) => request.absent() }, { address: '/ip4/8.9.2.1/tcp/4001', advertised: false }),
    ]
    const node = await stage.node({ discovery: [finds([...dead.slice(0, 10), ...liars, ...dead.slice(10)])] })
    const dialled = dialsOf(node)
    const { tookMs } = await stage.pull(node)
    assert.ok(tookMs <= originOnlyMs + patienceMs, `${tookMs} ms; ${originOnlyMs} ms from the origin alone`)
    assert.ok(dialled.length <= 64, `${dialled.length} addresses were dialled`)
    assert.ok(liars.every(({ requests }) => requests.length > 0))
    assert.deepEqual(stage.bans(node), [])
  })

  test('B23: addresses of this machine, of private networks and by name are not dialled, whoever advertises them', async () => {
    await using stage = new Stage(23, 12, { prefix: '8.8' })
    const [member, nearer, found] = ['/ip4/8.9.3.1/tcp/4001', '/ip4/8.9.4.1/tcp/4001', '/ip4/8.9.5.1/tcp/4001']
    const introduces = (link: Link, message: ControlMessage): void => {
      if (message.type !== 'join' || !message.asks) return
      const [lured, named] = [[...traps, member], [...traps, nearer]].map((addresses, list) => addresses.map((address, index) => stranger(100 * list + index, address)))
      for (let first = 0; first < traps.length + 1; first += 8) {
        const part = { members: lured?.slice(first, first + 8) ?? [], nearer: named?.slice(first, first + 8) ?? [] }
        link.send({ type: 'members', topic: message.topic, busy: false, guest: false, ...part })
      }
    }
    const crook = await stage.badPeer(
      { answer: (request) => request.absent(), tell: () => {}, hears: introduces },
      { address: '/ip4/8.9.1.1/tcp/4001', advertised: false },
    )
    const providers = [...traps, found].map((address, index) => ({ peerId: nobody(1000 + index), addresses: [address] }))
    const node = await stage.node({ discovery: [finds([...providers, { peerId: crook.peerId, addresses: crook.addresses }])] })
    const dialled = dialsOf(node)
    await stage.pull(node)
    const hosts = new Set(dialled.map((address) => address.replace(/\/p2p\/.*/, '')))
    assert.deepEqual(traps.filter((trap) => hosts.has(trap)), [])
    assert.deepEqual([member, nearer, found].filter((address) => !hosts.has(address)), [], 'others of the same message are')
    assert.deepEqual(stage.bans(node), [])
  })
})

/** Networks that mean something only to who is in them; this machine may be. */
const privateNetworks = ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '100.64.0.0/10', 'fc00::/7'].map((range) => parseIpRange(range, 'range'))
const machine = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []).map(({ address }) => parseIp(address) ?? [])
const foreign = privateNetworks.filter((network) => !machine.some((ip) => isInRange(ip, network)))

/** What nobody out there has any business to send others to. */
const traps = [
  '/ip4/127.0.0.1/tcp/4001',
  '/ip4/0.0.0.0/tcp/4001',
  '/ip4/169.254.169.254/tcp/80',
  '/ip4/169.254.169.254/tcp/8080',
  '/ip4/8.9.6.1/tcp/22',
  ...['/ip4/10.1.2.3', '/ip4/172.16.0.9', '/ip4/192.168.1.1', '/ip4/100.64.0.1', '/ip6/fd00::1']
    .filter((address) => foreign.some((network) => isInRange(parseIp(address.slice(5)) ?? [], network)))
    .map((address) => `${address}/tcp/4001`),
  '/ip4/224.0.0.1/tcp/4001',
  '/ip6/::1/tcp/4001',
  '/ip6/fe80::1/tcp/4001',
  '/ip6/::ffff:7f00:1/tcp/4001',
  '/dns4/localhost/tcp/4001',
  '/dns/metadata.example/tcp/4001',
  '/dnsaddr/bootstrap.example',
]

function stranger(index: number, address: string): Member {
  return {
    peerId: peerIdFromString(nobody(index)).toMultihash().bytes,
    supernode: false,
    location: { region: '', zone: '', rack: '' },
    addresses: [multiaddr(address).bytes],
  }
}

/** A peer id of a key that nobody has. */
function nobody(index: number): string {
  const key = createHash('sha256').update(`nobody ${index}`).digest()
  return peerIdFromMultihash(Multihash.decode(Buffer.concat([Buffer.from('002408011220', 'hex'), key]))).toString()
}
