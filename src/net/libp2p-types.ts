import type { Libp2p, Libp2pInit } from 'libp2p'

// Taken from libp2p's own declarations, so that no second package has to be kept at the version that it was built with.

/** An open connection to a peer. */
export type Libp2pConnection = Awaited<ReturnType<Libp2p['dial']>>
/** A stream of bytes to a peer, over a connection. */
export type Libp2pStream = Awaited<ReturnType<Libp2pConnection['newStream']>>
/** A peer's identity. */
export type Libp2pPeerId = Libp2p['peerId']
/** Where a node can be reached. */
export type Libp2pMultiaddr = ReturnType<Libp2p['getMultiaddrs']>[number]

/**
 * Makes a connection encrypter, as `connectionEncrypters` of libp2p takes them: `noise()` is one.
 * @public
 */
export type EncrypterFactory = NonNullable<Libp2pInit['connectionEncrypters']>[number]
/** What a factory is given: the node's parts. */
export type Libp2pComponents = Parameters<EncrypterFactory>[0]
export type ConnectionEncrypter = ReturnType<EncrypterFactory>
export type SecureOptions = Parameters<ConnectionEncrypter['secureInbound']>[1]
export type SecuredConnection = Awaited<ReturnType<ConnectionEncrypter['secureInbound']>>
/** What runs below streams: a raw or an encrypted connection. */
export type Libp2pMessageStream = SecuredConnection['connection']
/** Makes a stream muxer, as `streamMuxers` of libp2p takes them. */
export type StreamMuxerFactoryMaker = NonNullable<Libp2pInit['streamMuxers']>[number]
/** What a stream's `message` event carries. */
export type ReceivedBytes = Parameters<Libp2pMessageStream['push']>[0]
/** Decides who may connect. */
export type ConnectionGater = NonNullable<Libp2pInit['connectionGater']>
/** A connection that was accepted and not yet secured. */
export type RawConnection = Parameters<NonNullable<ConnectionGater['denyInboundConnection']>>[0]

/**
 * A node's private key, as libp2p holds it.
 * @public
 */
export interface NodeKey {
  /** `Ed25519`, where it is to be of use. */
  readonly type: string
  /** Of an Ed25519 key: 32 bytes of the private, then 32 of the public one. */
  readonly raw: Uint8Array
}
