import { peerIdFromString } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import { sleep } from '../../src/core/clock.ts'
import type { Random } from '../../src/core/random.ts'
import type { BlobContent } from '../../src/testing/seeded-content.ts'
import { controlProtocol, limits } from '../../src/wire/protocol.ts'
import type { ControlMessage, LeaseMessage, Member } from '../../src/wire/messages.ts'
import { FakePeer, rawHash, serveHonestly, withOneBitTurned, type PeerScript } from '../support/fake-peer.ts'
import type { Lab } from './lab.ts'
import { NodeLoop } from './node-loop.ts'
import { VirtualNode } from './virtual-node.ts'
import { Card } from './wire.ts'

/** Ways to lie. */
export const liarKinds = [
  'turns-bits',
  'turns-one-in-fifty',
  'false-claims',
  'colluding',
  'denies',
  'has-nothing',
  'stops-at-99',
  'silent',
  'garbage',
  'busy',
  'never-grants',
  'grants-all',
  'introduces-liars',
] as const

export type LiarKind = (typeof liarKinds)[number]

/** A peer in a lab that lies in one way, and says that it has the whole of a blob. */
export interface Liar {
  readonly kind: LiarKind
  readonly peer: FakePeer
}

/** Brings a liar into a lab, where nodes find it as they find each other. */
export async function addLiar(lab: Lab, kind: LiarKind, content: BlobContent, others: readonly Liar[]): Promise<Liar> {
  const { time, network, random, directory } = lab
  const { name, address, identity } = await lab.newHost('10.66')
  const loop = new NodeLoop(time, { monotonicMs: 1000 * random.below(1000), wallMs: 1_750_000_000_000 })
  const [uplink, downlink] = [new Card(12_500_000), new Card(12_500_000)]
  const node = new VirtualNode({ network, name, address, identity, loop, uplink, downlink })
  if (kind === 'garbage') node.tamper = garbles(random)
  network.listen(node)
  const peer = await time.until(FakePeer.over(node.asLibp2p, loop, scriptOf(kind, content, random, others)))
  directory.advertise({ peerId: peer.peerId, addresses: [address] }, [content.digest])
  return { kind, peer }
}

function scriptOf(kind: LiarKind, content: BlobContent, random: Random, others: readonly Liar[]): PeerScript {
  const honest: PeerScript = { content, answer: serveHonestly }
  // Those who collude agree on what is wrong; who lies alone does so in its own way.
  const byte = kind === 'colluding' ? 1 : 1 + random.below(255)
  switch (kind) {
    case 'turns-bits':
      return { content, answer: (request, bytes) => request.serve(bytes.byteLength, [withOneBitTurned(bytes)]) }
    case 'turns-one-in-fifty': {
      let answers = random.below(50)
      return { content, answer: (request, bytes) => request.serve(bytes.byteLength, [++answers % 50 === 0 ? withOneBitTurned(bytes) : bytes]) }
    }
    case 'false-claims':
    case 'colluding':
      return {
        content,
        hashOf: (_, bytes) => rawHash(spoiled(bytes, byte)),
        answer: (request, bytes) => request.serve(bytes.byteLength, [spoiled(bytes, byte)]),
      }
    case 'denies':
      return { content, hashOf: (_, bytes) => rawHash(spoiled(bytes, byte)), answer: (request) => request.absent() }
    case 'has-nothing':
      return { content, answer: (request) => request.absent() }
    case 'stops-at-99':
      return { content, answer: (request, bytes, peer) => request.serve(bytes.byteLength, allButTheLast(bytes, () => sleep(peer.clock, 3_600_000, request.signal))) }
    case 'silent':
      return { content, answer: () => {} }
    case 'busy':
      return { content, answer: (request) => request.busy(limits.busyMs) }
    case 'garbage':
      return honest
    case 'never-grants':
      return { ...honest, answer: (request) => request.absent(), hears: tracks(() => ({ validMs: 0, retryAfterMs: limits.leaseMs, grants: [] })) }
    case 'grants-all':
      return {
        ...honest,
        answer: (request) => request.absent(),
        hears: tracks(({ held, wanted }) => ({ validMs: limits.leaseMs, retryAfterMs: 0, grants: [{ source: undefined, runs: [...held, ...wanted] }] })),
      }
    case 'introduces-liars':
      return {
        ...honest,
        answer: (request) => request.absent(),
        hears: (link, message) => {
          if (message.type !== 'join' || !message.asks) return
          const members = others.slice(0, limits.members).map(({ peer }) => memberOf(peer))
          link.send({ type: 'members', topic: message.topic, busy: false, guest: false, members, nearer: [] })
        },
      }
    default:
      return kind satisfies never
  }
}

type LeaseAnswer = Pick<LeaseMessage, 'validMs' | 'retryAfterMs' | 'grants'>

function tracks(answer: (ask: ControlMessage & { type: 'lease-ask' }) => LeaseAnswer): NonNullable<PeerScript['hears']> {
  let number = 0
  return (link, message) => {
    if (message.type !== 'lease-ask' || (message.count === 0 && message.held.length === 0)) return
    const { digest, holder } = message
    link.send({ type: 'lease', digest, holder, number: ++number, ...answer(message) })
  }
}

/** After its greeting, what it sends on its control stream is noise now and then. */
function garbles(random: Random): VirtualNode['tamper'] {
  let sends = 0
  return (protocol, bytes) => {
    if (protocol !== controlProtocol || ++sends < 4 || random.below(3) > 0) return bytes
    return Uint8Array.from(bytes, () => random.below(256))
  }
}

function spoiled(bytes: Uint8Array, by: number): Uint8Array {
  const copy = bytes.slice()
  copy[copy.length >> 1] = (copy[copy.length >> 1] ?? 0) ^ by
  return copy
}

async function* allButTheLast(bytes: Uint8Array, wait: () => Promise<void>): AsyncGenerator<Uint8Array> {
  yield bytes.subarray(0, Math.floor(0.99 * bytes.byteLength))
  await wait()
}

function memberOf({ peerId, addresses }: FakePeer): Member {
  return {
    peerId: peerIdFromString(peerId).toMultihash().bytes,
    supernode: false,
    location: { region: '', zone: '', rack: '' },
    addresses: addresses.map((address) => multiaddr(address).bytes),
  }
}
