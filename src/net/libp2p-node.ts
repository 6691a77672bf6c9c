import { noise } from '@chainsafe/libp2p-noise'
import { generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import { identify } from '@libp2p/identify'
import { ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { createLibp2p, type Libp2p, type ServiceFactoryMap } from 'libp2p'
import type { NodeKey } from './libp2p-types.ts'
import { systemClock, type Clock } from '../core/clock.ts'
import type { Secret } from '../core/secret.ts'
import { noMetrics, type Metrics } from '../metrics/metrics.ts'
import { limits } from '../wire/protocol.ts'
import { newIdentitySeed } from './identity.ts'
import { connectionGater, type Refusals } from './connection-gater.ts'
import type { DialFilter } from './dial-filter.ts'
import { InboundGate } from './inbound-gate.ts'
import { networkKeyEncrypter } from './network-key.ts'
import { noiseCrypto } from './noise-crypto.ts'
import { TrustedRanges } from './trusted-ranges.ts'
import { watchedYamux } from './watched-muxer.ts'
import { maxFrameBytes } from './yamux-watch.ts'

/**
 * What the swarm uses of a libp2p 3 node; `createLibp2p` makes one. It needs the identify service, a transport, an
 * encrypter and a muxer in common with its peers, and an Ed25519 identity, by which it signs what pieces hash to.
 * @public
 */
export type Libp2pNode = Pick<
  Libp2p,
  | 'addEventListener'
  | 'contentRouting'
  | 'dial'
  | 'getConnections'
  | 'getMultiaddrs'
  | 'handle'
  | 'logger'
  | 'peerId'
  | 'peerRouting'
  | 'peerStore'
  | 'removeEventListener'
  | 'unhandle'
> & {
  /** Nodes that `createLibp2p` made have it, though their type does not say so. */
  readonly components?: { readonly privateKey: NodeKey } | undefined
}

/** Settings of {@link createDefaultNode}. */
export interface DefaultNodeSettings {
  /** Multiaddrs to listen on; an empty list makes a node that only dials. @defaultValue `['/ip4/0.0.0.0/tcp/0']` */
  listen?: readonly string[] | undefined
  /** 32 bytes that the Ed25519 key, and so the peer id, is made from; see `loadIdentitySeed`. @defaultValue random */
  identitySeed?: Secret<Uint8Array> | undefined
  /** 32 bytes: only nodes with the same key can connect. @defaultValue open to all */
  networkKey?: Secret<Uint8Array> | undefined
  /** Connections of all protocols together, beyond which libp2p closes or refuses some. @defaultValue `300` */
  maxConnections?: number | undefined
  /** Where the limits per address do not count. @defaultValue private ranges; everywhere with a network key */
  ranges?: TrustedRanges | undefined
  /** What may be dialled. @defaultValue everything */
  dialFilter?: DialFilter | undefined
  /** @defaultValue the machine's clock */
  clock?: Clock | undefined
  /** @defaultValue none */
  metrics?: Metrics | undefined
  /** Whom to have nothing to do with. @defaultValue nobody */
  refusals?: Refusals | undefined
  /** libp2p services by name, added to identify and ping: discovery brings its own. */
  services?: ServiceFactoryMap | undefined
}

const mib = 1024 * 1024

/**
 * The libp2p node that the swarm uses unless it is given one: TCP, noise, yamux, identify, ping. It is not started, so
 * that whoever wants to answer from the first connection on can register before.
 */
export async function createDefaultNode(settings: DefaultNodeSettings = {}): Promise<Libp2p> {
  const { listen = ['/ip4/0.0.0.0/tcp/0'], networkKey, maxConnections = 300, services, refusals } = settings
  const { clock = systemClock, metrics = noMetrics, dialFilter } = settings
  const ranges = settings.ranges ?? new TrustedRanges(undefined, networkKey !== undefined)
  const seed = settings.identitySeed ?? newIdentitySeed()
  const inbound = new InboundGate({ ranges, clock, maxConnections })
  const encrypter = noise({ crypto: noiseCrypto })
  return createLibp2p({
    start: false,
    privateKey: await generateKeyPairFromSeed('Ed25519', seed.reveal()),
    addresses: { listen: [...listen] },
    transports: [
      tcp({
        inboundSocketInactivityTimeout: silenceMs,
        outboundSocketInactivityTimeout: silenceMs,
      }),
    ],
    connectionEncrypters: [networkKey ? networkKeyEncrypter(networkKey.reveal(), encrypter) : encrypter],
    streamMuxers: [
      watchedYamux(muxerSettings, clock, ({ code }) => metrics.add('damselfly_connections_ended_total', 1, { code })),
    ],
    services: { ...services, identify: identify(), ping: ping() },
    connectionGater: connectionGater({ inbound, refusals, metrics, mayNotDial: (address) => dialFilter !== undefined && !dialFilter.allows(String(address)) }),
    connectionManager: {
      maxConnections,
      // The gate limits by address instead: libp2p would refuse the sixth node of one host or NAT in a second.
      inboundConnectionThreshold: Infinity,
      // It counts those who never speak like those who are about to, and keeps out whoever comes after them.
      maxIncomingPendingConnections: Infinity,
      inboundUpgradeTimeout: upgradeMs,
      // Addresses are tried one after the other, and those of container bridges lead nowhere.
      addressDialTimeout: 3000,
      maxPeerAddrsToDial: limits.addressesPerMember,
    },
    // It resets a busy connection for one late pong, and its pings hide a dead one from the socket's inactivity timer.
    connectionMonitor: { enabled: false },
  })
}

/** Time to prove who one is. */
const upgradeMs = 10_000

/** Both ends ping every 30 s (yamux): a socket on which nothing moved for two pings has lost its other end. */
const silenceMs = 75_000

const muxerSettings = {
  // Ours are control, and data each way; kad-dht, identify and ping come and go. Together they bound a peer's buffers.
  maxInboundStreams: 32,
  maxOutboundStreams: 32,
  streamOptions: {
    // The initial window stays at its default: a sender takes its own for its peer's, and resets when they differ.
    maxStreamWindowSize: maxFrameBytes,
    // A paused stream whose buffer overflows is reset, so the window must fit.
    maxReadBufferLength: mib,
  },
}
