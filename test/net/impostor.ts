import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { tcp } from '@libp2p/tcp'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p, type Libp2p } from 'libp2p'
import type {
  EncrypterFactory,
  Libp2pMessageStream,
  ReceivedBytes,
  SecuredConnection,
} from '../../src/net/libp2p-types.ts'
import { networkKeyProtocol } from '../../src/net/network-key.ts'
import type { NetworkKeyRole, ProofInit } from '../../src/net/network-key-proof.ts'

/** A connection that noise has secured, for a script to read and write. */
export class Wire {
  /** Settles when the other end has reset the connection. */
  readonly ended: Promise<void>
  readonly #stream: Libp2pMessageStream
  #received: Uint8Array = new Uint8Array(0)
  #changed = Promise.withResolvers<void>()

  constructor(stream: Libp2pMessageStream) {
    this.#stream = stream
    this.ended = new Promise((resolve) => stream.addEventListener('close', () => resolve()))
    stream.addEventListener('message', this.#onMessage)
  }

  async read(bytes: number): Promise<Uint8Array> {
    while (this.#received.byteLength < bytes) await this.#changed.promise
    const read = this.#received.subarray(0, bytes)
    this.#received = this.#received.subarray(bytes)
    return read
  }

  send(bytes: Uint8Array): void {
    this.#stream.send(bytes)
  }

  /** Leaves the rest to whoever comes next. */
  release(): void {
    this.#stream.removeEventListener('message', this.#onMessage)
    this.#stream.unshift(this.#received)
  }

  readonly #onMessage = ({ data }: { data: ReceivedBytes }): void => {
    this.#received = Buffer.concat([this.#received, data.subarray()])
    this.#changed.resolve()
    this.#changed = Promise.withResolvers()
  }
}

/** What an impostor does in place of the exchange of proofs. If it resolves, the connection is open for the impostor. */
export type Script = (wire: Wire, session: Pick<ProofInit, 'role' | 'ids'>) => Promise<void>

/** A node that offers the network key's protocol and does as its script says. */
export async function startImpostor(script: Script): Promise<Libp2p & AsyncDisposable> {
  const node = await createLibp2p({
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    transports: [tcp()],
    connectionEncrypters: [scriptedEncrypter(script)],
    streamMuxers: [yamux()],
    connectionMonitor: { enabled: false },
  })
  return Object.assign(node, { [Symbol.asyncDispose]: async () => node.stop() })
}

function scriptedEncrypter(script: Script): EncrypterFactory {
  return (components) => {
    const inner = noise()(components)
    const run = async (
      role: NetworkKeyRole,
      secured: SecuredConnection,
    ): Promise<SecuredConnection> => {
      const wire = new Wire(secured.connection)
      const ids = {
        ours: components.peerId.toMultihash().bytes,
        theirs: secured.remotePeer.toMultihash().bytes,
      }
      await script(wire, { role, ids })
      wire.release()
      return secured
    }
    return {
      protocol: networkKeyProtocol,
      secureOutbound: async (stream, options) =>
        run('initiator', await inner.secureOutbound(stream, options)),
      secureInbound: async (stream, options) =>
        run('responder', await inner.secureInbound(stream, options)),
    }
  }
}

export function addressesOf(node: Libp2p): string[] {
  return node.getMultiaddrs().map(String)
}

export async function dial(node: Libp2p, addresses: readonly string[]): Promise<void> {
  await node.dial(addresses.map((address) => multiaddr(address)))
}
