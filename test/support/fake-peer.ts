import { peerIdFromString } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import { systemClock } from '../../src/core/clock.ts'
import { digestOf, digestToBytes, createHasher } from '../../src/core/digest.ts'
import { silentLogger } from '../../src/core/log.ts'
import { pieceLayout, pieceRange, type PieceLayout } from '../../src/core/piece-layout.ts'
import { createDefaultNode } from '../../src/net/libp2p-node.ts'
import type { IncomingRequest, Link } from '../../src/net/link.ts'
import { LinkHost } from '../../src/net/link-host.ts'
import { SigningKey } from '../../src/net/signing-key.ts'
import type { BlobContent } from '../../src/testing/seeded-content.ts'
import { limits, protocolVersion } from '../../src/wire/protocol.ts'
import { claimOf, newSigner } from './signer.ts'

/** How a {@link FakePeer} answers a request for a piece. */
export type PieceAnswer = (request: IncomingRequest, honest: Uint8Array) => void | Promise<void>

/** A peer that says it has all of a blob, on a real link, and answers requests as a test wants. */
export class FakePeer implements AsyncDisposable {
  readonly content: BlobContent
  readonly layout: PieceLayout
  readonly requests: IncomingRequest[] = []
  readonly #answer: PieceAnswer
  readonly #hashOf: (piece: number, honest: Uint8Array) => Uint8Array
  readonly #stack = new AsyncDisposableStack()
  /** When it is asked for a piece, it tells the asker that it is a guest here, and who else there is. */
  turnsAwayTo: FakePeer | undefined
  addresses: string[] = []
  peerId = ''
  /** Who signs its claims; itself, unless a test says otherwise. */
  issuer: SigningKey = newSigner()

  private constructor(content: BlobContent, answer: PieceAnswer, hashOf: FakePeer['hashOf']) {
    this.content = content
    this.layout = pieceLayout(content.sizeBytes)
    this.#answer = answer
    this.#hashOf = hashOf
  }

  /**
   * @param answer - gives pieces away, or does not
   * @param hashOf - what it says its pieces hash to
   */
  static async start(
    content: BlobContent,
    answer: PieceAnswer,
    hashOf: FakePeer['hashOf'] = (_, honest) => digestToBytes(digestOf(honest)),
  ): Promise<FakePeer> {
    const peer = new FakePeer(content, answer, hashOf)
    const node = peer.#stack.adopt(await createDefaultNode({ listen: ['/ip4/127.0.0.1/tcp/0'] }), (it) => it.stop())
    const host = new LinkHost({
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
          if (message.type === 'bitfield' && message.wants && message.digest === content.digest) peer.#tellAll(link)
        },
        request: (request) => void peer.#serve(request),
      },
      clock: systemClock,
      logger: silentLogger,
      maxLinks: 10,
    })
    await host.start()
    await node.start()
    peer.#stack.defer(() => host.stop())
    peer.addresses = node.getMultiaddrs().map(String)
    peer.peerId = node.peerId.toString()
    peer.issuer = SigningKey.of(node)
    return peer
  }

  get hashOf(): (piece: number, honest: Uint8Array) => Uint8Array {
    return this.#hashOf
  }

  /** The true bytes of a piece. */
  honest(piece: number): Uint8Array {
    return this.content.read(pieceRange(this.layout, piece))
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync()
  }

  #tellAll(link: Link): void {
    const { digest, sizeBytes } = this.content
    for (let first = 0; first < this.layout.pieceCount && this.layout.pieceCount > 1; first += limits.hashesPerClaim) {
      const count = Math.min(limits.hashesPerClaim, this.layout.pieceCount - first)
      const hashes = Array.from({ length: count }, (_, index) => this.#hashOf(first + index, this.honest(first + index)))
      link.send(claimOf({ digest, sizeBytes, first, hashes: Buffer.concat(hashes) }, this.issuer))
    }
    const facts = { wants: false, complete: true, private: false }
    link.send({ type: 'bitfield', digest, sizeBytes, ...facts, bits: new Uint8Array(0) })
  }

  #turnAway(link: Link, to: FakePeer): void {
    const location = { region: '', zone: '', rack: '' }
    const addresses = to.addresses.map((address) => multiaddr(address).bytes)
    const peerId = peerIdFromString(to.peerId).toMultihash().bytes
    const members = [{ peerId, supernode: false, location, addresses }]
    link.send({ type: 'members', topic: this.content.digest, busy: false, guest: true, members, nearer: [] })
  }

  async #serve(request: IncomingRequest): Promise<void> {
    this.requests.push(request)
    if (this.turnsAwayTo && this.requests.length === 1) this.#turnAway(request.link, this.turnsAwayTo)
    try {
      await this.#answer(request, this.honest(request.piece))
    } catch {
      // The asker went away, which is what several tests are about.
    }
  }
}

/** Serves what was asked for. */
export const serveHonestly: PieceAnswer = (request, honest) => request.serve(honest.byteLength, [honest])

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
