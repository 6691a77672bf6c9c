import assert from 'node:assert/strict'
import fc from 'fast-check'
import { describe, test } from 'vitest'
import { maxFrameBytes, YamuxWatch } from '../../src/net/yamux-watch.ts'
import { fuzzRuns } from '../support/fuzz.ts'

const [data, windowUpdate, ping] = [0, 1, 2]
const [syn, rst] = [1, 8]

/** A frame header as yamux writes it. */
function header(type: number, flags: number, stream: number, length: number): Uint8Array {
  const bytes = Buffer.alloc(12)
  bytes.writeUInt8(type, 1)
  bytes.writeUInt16BE(flags, 2)
  bytes.writeUInt32BE(stream, 4)
  bytes.writeUInt32BE(length, 8)
  return bytes
}

function repeated(frame: (index: number) => Uint8Array, count: number): Uint8Array {
  return Buffer.concat(Array.from({ length: count }, (_, index) => frame(index)))
}

const openStream = (index: number): Uint8Array => header(windowUpdate, syn, 2 * index + 1, 0)
const openAndReset = (index: number): Uint8Array => Buffer.concat([openStream(index), header(windowUpdate, rst, 2 * index + 1, 0)])

describe('the watch on a muxer', () => {
  test('lets everything pass that stays within its bounds, however it is cut', () => {
    const frame = fc.oneof(
      fc.nat(5000).map((length) => Buffer.concat([header(data, 0, 1, length), Buffer.alloc(length, 0x01)])),
      fc.constant(header(windowUpdate, 0, 1, 65_536)),
      fc.constant(header(ping, 1, 0, 7)),
      fc.nat(99).map(openAndReset),
    )
    fc.assert(
      fc.property(fc.array(frame, { maxLength: 40 }), fc.array(fc.integer({ min: 1, max: 3000 }), { minLength: 1 }), (frames, cuts) => {
        const watch = new YamuxWatch()
        const bytes = Buffer.concat(frames)
        for (let [offset, cut] = [0, 0]; offset < bytes.byteLength; cut++) {
          const end = offset + (cuts[cut % cuts.length] ?? 1)
          watch.push(bytes.subarray(offset, end), 0, true)
          offset = end
        }
      }),
      fuzzRuns(200),
    )
  })

  test('refuses a frame larger than any window by its header alone', () => {
    for (const length of [maxFrameBytes + 1, 2 ** 31 - 1, 2 ** 32 - 1]) {
      assert.throws(() => new YamuxWatch().push(header(data, 0, 1, length), 0, true), { code: 'ERR_PEER_PROTOCOL' })
    }
    new YamuxWatch().push(header(data, 0, 1, maxFrameBytes), 0, true)
    // Of a window update it is the size of the window.
    new YamuxWatch().push(header(windowUpdate, 0, 1, 2 ** 31), 0, true)
  })

  test('refuses a thousand streams at once, and two hundred a second that are reset at once', () => {
    assert.throws(() => new YamuxWatch().push(repeated(openStream, 1000), 0, true), { code: 'ERR_PEER_LIMIT' })
    const watch = new YamuxWatch()
    const flood = (): void => {
      for (let now = 0; now < 5000; now += 5) watch.push(openAndReset(now), now, true)
    }
    assert.throws(flood, { code: 'ERR_PEER_LIMIT' })
  })

  test('lets a DHT ask four hundred things a second, each on a stream of its own', () => {
    const watch = new YamuxWatch()
    for (let now = 0; now < 60_000; now += 2.5) watch.push(openStream(now * 2), now, true)
  })

  test('lets ninety streams a second be opened and reset', () => {
    const watch = new YamuxWatch()
    for (let now = 0; now < 60_000; now += 11) watch.push(openAndReset(now), now, true)
  })

  test('refuses a flood of pings', () => {
    assert.throws(() => new YamuxWatch().push(repeated((id) => header(ping, 1, 0, id), 1000), 0, true), { code: 'ERR_PEER_LIMIT' })
  })

  test('refuses who sends frames on and on, and takes none', () => {
    const frame = Buffer.concat([header(data, 0, 1, 1), Buffer.alloc(1)])
    const watch = new YamuxWatch()
    for (let round = 0; round < 10; round++) {
      watch.push(repeated(() => frame, 19_000), 0, false)
      watch.push(frame, 0, true)
    }
    assert.throws(() => watch.push(repeated(() => frame, 21_000), 0, false), { code: 'ERR_PEER_LIMIT' })
  })
})
