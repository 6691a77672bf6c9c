import assert from 'node:assert/strict'
import { describe, test } from 'vitest'
import type { PeerError } from '../../src/core/errors.ts'
import { ControlChannel } from '../../src/net/control-channel.ts'
import type { Libp2pStream } from '../../src/net/libp2p-types.ts'
import { someDigest } from './nodes.ts'

/** A stream whose other end reads nothing. */
function unreadStream(): Libp2pStream {
  const stream = Object.assign(new EventTarget(), { writeBufferLength: 0, writableNeedsDrain: true, send: () => false, abort() {} })
  return stream as unknown as Libp2pStream
}

function channelOf(isCrowded: () => boolean): { channel: ControlChannel; errors: (PeerError | undefined)[] } {
  const errors: (PeerError | undefined)[] = []
  const channel = new ControlChannel(unreadStream(), { message() {}, closed: (error) => void errors.push(error) }, isCrowded)
  return { channel, errors }
}

const large = { type: 'inline', digest: someDigest(), bytes: new Uint8Array(16_384) } as const

describe('a control channel that nobody reads', () => {
  test('keeps 4 MiB, and is closed beyond', () => {
    const { channel, errors } = channelOf(() => false)
    for (let count = 0; count < 255; count++) channel.send(large)
    assert.equal(errors.length, 0)
    assert.ok(channel.backlogBytes > 255 * 16_384)
    for (let count = 0; count < 2; count++) channel.send(large)
    assert.deepEqual([errors.map((error) => error?.code), channel.backlogBytes], [['ERR_PEER_STALL'], 0])
  })

  test('is closed beyond 256 KiB while all of them together keep too much', () => {
    const { channel, errors } = channelOf(() => true)
    for (let count = 0; count < 15; count++) channel.send(large)
    assert.equal(errors.length, 0)
    for (let count = 0; count < 2; count++) channel.send(large)
    assert.equal(errors[0]?.code, 'ERR_PEER_STALL')
  })
})
