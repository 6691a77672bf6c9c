import { peerIdFromString } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import { systemClock, type Clock } from '../../src/core/clock.ts'
import { digestOf, digestToBytes, createHasher } from '../../src/core/digest.ts'
import { silentLogger } from '../../src/core/log.ts'
import { pieceLayout, pieceRange, type PieceLayout } from '../../src/core/piece-layout.ts'
import { createDefaultNode, type Libp2pNode } from '../../src/net/libp2p-node.ts'
import type { IncomingRequest, Link } from '../../src/net/link.ts'
import { LinkHost } from '../../src/net/link-host.ts'
import { SigningKey } from '../../src/net/signing-key.ts'
import type { BlobContent } from '../../src/testing/seeded-content.ts'
import type { ControlMessage, Member } from '../../src/wire/messages.ts'
import { limits, protocolVersion } from '../../src/wire/protocol.ts'
import { claimOf } from './signer.ts'

/** How a {@link FakePeer} answers a request for a piece. */
export type PieceAnswer = (request: IncomingRequest, honest: Uint8Array, peer: FakePeer) => void | Promise<void>

/** What a {@link FakePeer} does. */
export interface PeerScript {
  readonly content: BlobContent
  /** Gives pieces away, or does not. */
  readonly answer: PieceAnswer
  /** What it says its pieces hash to; the truth, unless a test says otherwise. */
  readonly hashOf?: FakePeer['hashOf'] | undefined
  /** What it says to somebody who wants the blob, in place of claiming and having all of it. */
  readonly tell?: ((link: Link, peer: FakePeer) => void) | undefined
  /** Hears of every message, before anything else is made of it. */
  readonly hears?: ((link: Link, message: ControlMessage, peer: FakePeer) => void) | undefined
}

/** A peer that says it has all of a blob, on a real link, and answers requests as a test wants. */
export class FakePeer implements AsyncDisposable {
  readonly content: BlobContent
  readonly layout: PieceLayout
  readonly requests: IncomingRequest[] = []
  readonly #script: PeerScript
  readonly #stack = new AsyncDisposableStack()
  /** When it is asked for a piece, it tells the asker that it is a guest here, and who else there is. */
  turnsAwayTo: FakePeer | undefined
  addresses: string[] = []
  readonly peerId: string
  readonly host: LinkHost
  readonly clock: Clock
  /** Who signs its claims; itself, unless a test says otherwise. */
  issuer: SigningKey

  private constructor(script: PeerScript, node: Libp2pNode, clock: Clock) {
    const { content, hears } = script
    this.content = content
    this.layout = pieceLayout(content.sizeBytes)
    this.#script = script
    this.clock = clock
    this.peerId = node.peerId.toString()
    this.issuer = SigningKey.of(node)
    this.host = new LinkHost({
      node,
      hello: () => ({
        type: 'hello',
        version: protocolVersion,
        supernode: false,
        location: { region: '', zone: '', rack: '' },
      }),
      handlers: {
        opened() {},
        closed() {},
        message: (link, message) => {
          hears?.(link, message, this)
          if (message.type === 'bitfield' && message.wants && message.digest === content.digest) this.tell(link)
        },
        request: (request) => void this.#serve(request),
      },
      clock,
      logger: silentLogger,
      maxLinks: 100,
    })
  }

  /**
   * @param answer - gives pieces away, or does not
   * @param hashOf - what it says its pieces hash to
   */
  static async start(content: BlobContent, answer: PieceAnswer, hashOf?: FakePeer['hashOf']): Promise<FakePeer> {
    return FakePeer.play({ content, answer, hashOf })
  }

  /** On loopback. */
  static async play(script: PeerScript): Promise<FakePeer> {
    const node = await createDefaultNode({ listen: ['/ip4/127.0.0.1/tcp/0'] })
    const peer = new FakePeer(script, node, systemClock)
    peer.#stack.adopt(node, (it) => it.stop())
    await peer.host.start()
    await node.start()
    peer.#stack.defer(() => peer.host.stop())
    peer.addresses = node.getMultiaddrs().map(String)
    return peer
  }

  /** On a node that is somebody else's to stop. */
  static async over(node: Libp2pNode, clock: Clock, script: PeerScript): Promise<FakePeer> {
    const peer = new FakePeer(script, node, clock)
    await peer.host.start()
    peer.#stack.defer(() => peer.host.stop())
    peer.addresses = node.getMultiaddrs().map(String)
    return peer
  }

  get hashOf(): (piece: number, honest: Uint8Array) => Uint8Array {
    return this.#script.hashOf ?? ((_, honest) => digestToBytes(digestOf(honest)))
  }

  /** As others introduce it. */
  get member(): Member {
    return {
      peerId: peerIdFromString(this.peerId).toMultihash().bytes,
      supernode: false,
      location: { region: '', zone: '', rack: '' },
      addresses: this.addresses.map((address) => multiaddr(address).bytes),
    }
  }

  /** The true bytes of a piece. */
  honest(piece: number): Uint8Array {
    return this.content.read(pieceRange(this.layout, piece))
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync()
  }

  /** Says what it has to somebody. */
  tell(link: Link): void {
    if (this.#script.tell) this.#script.tell(link, this)
    else this.tellAll(link)
  }

  /** Claims all pieces, and says that it has them. */
  tellAll(link: Link): void {
    const { digest, sizeBytes } = this.content
    for (let first = 0; first < this.layout.pieceCount && this.layout.pieceCount > 1; first += limits.hashesPerClaim) {
      const count = Math.min(limits.hashesPerClaim, this.layout.pieceCount - first)
      const hashes = Array.from({ length: count }, (_, index) => this.hashOf(first + index, this.honest(first + index)))
      link.send(claimOf({ digest, sizeBytes, first, hashes: Buffer.concat(hashes) }, this.issuer))
    }
    const facts = { wants: false, complete: true, private: false }
    link.send({ type: 'bitfield', digest, sizeBytes, ...facts, bits: new Uint8Array(0) })
  }

  #turnAway(link: Link, to: FakePeer): void {
    link.send({ type: 'members', topic: this.content.digest, busy: false, guest: true, members: [to.member], nearer: [] })
  }

  async #serve(request: IncomingRequest): Promise<void> {
    this.requests.push(request)
    if (this.turnsAwayTo && this.requests.length === 1) this.#turnAway(request.link, this.turnsAwayTo)
    try {
      await this.#script.answer(request, this.honest(request.piece), this)
    } catch {
      // The asker went away, which is what several tests are about.
    }
  }
}

/** Serves what was asked for. */
export const serveHonestly = (request: IncomingRequest, honest: Uint8Array): Promise<void> => request.serve(honest.byteLength, [honest])

/** The same bytes with one bit turned. */
export function withOneBitTurned(bytes: Uint8Array): Uint8Array {
  const copy = bytes.slice()
  copy[copy.length >> 1] = (copy[copy.length >> 1] ?? 0) ^ 1
  return copy
}

/** sha256, raw. */
export function rawHash(bytes: Uint8Array): Uint8Array {
  const hasher = createHasher()
  hasher.update(bytes)
  return hasher.raw()
}
