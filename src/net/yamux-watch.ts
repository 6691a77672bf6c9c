import { TokenBucket } from '../traffic/token-bucket.ts'
import { violation } from '../wire/violation.ts'
import { overLimit } from './peer-errors.ts'

const headerBytes = 12
const [dataType, pingType] = [0, 2]
const [synFlag, resetFlag] = [1, 8]
/** What a peer may send before it hears of a larger window: our largest one. */
export const maxFrameBytes: number = 1024 * 1024
/** The DHT takes a stream for each question, and a node that has just started asks a lot of the few that it knows. */
const streams = { perSecond: 500, burst: 800 }
/** Streams that the peer resets: a cancelled request costs one, and there is room for a busy endgame. */
const resets = { perSecond: 100, burst: 128 }
/** Nodes ping every 30 s. */
const pings = { perSecond: 10, burst: 50 }
/** Frames that may come while the peer takes nothing: each may lead to a frame back, and those wait in memory. */
const maxUnreadFrames = 20_000

/**
 * Reads the headers of the frames that a muxer is about to read, and says when to hear no more of its peer. yamux itself waits for as many bytes
 * as a frame announces before it looks at its window, answers pings and streams beyond its bound one by one, and queues those answers without
 * bound.
 */
export class YamuxWatch {
  readonly #streams = new TokenBucket(streams)
  readonly #resets = new TokenBucket(resets)
  readonly #pings = new TokenBucket(pings)
  readonly #header = new Uint8Array(headerBytes)
  #headerBytes = 0
  /** Of the frame whose header was read. */
  #bodyBytes = 0
  #unreadFrames = 0

  /**
   * @param takes - whether the peer takes what it is sent
   * @throws {@link PeerError} `ERR_PEER_PROTOCOL`, `ERR_PEER_LIMIT`
   */
  push(bytes: Uint8Array, nowMs: number, takes: boolean): void {
    if (takes) this.#unreadFrames = 0
    let offset = 0
    while (offset < bytes.byteLength) {
      const skipped = Math.min(this.#bodyBytes, bytes.byteLength - offset)
      this.#bodyBytes -= skipped
      offset += skipped
      const end = Math.min(bytes.byteLength, offset + headerBytes - this.#headerBytes)
      this.#header.set(bytes.subarray(offset, end), this.#headerBytes)
      this.#headerBytes += end - offset
      offset = end
      if (this.#headerBytes < headerBytes) return
      this.#headerBytes = 0
      this.#take(nowMs)
      if (!takes && ++this.#unreadFrames > maxUnreadFrames) throw overLimit('the peer sends, and reads nothing')
    }
  }

  #take(nowMs: number): void {
    const [, type = 0, , flags = 0] = this.#header
    if (type === dataType) {
      const sizeBytes = new DataView(this.#header.buffer).getUint32(8)
      if (sizeBytes > maxFrameBytes) throw violation(`a muxer frame of ${sizeBytes} bytes; its window is ${maxFrameBytes}`)
      this.#bodyBytes = sizeBytes
    }
    if (type === pingType && this.#pings.take(1, nowMs) > 0) throw overLimit(`the peer pinged more than ${pings.perSecond} times a second`)
    if (type !== pingType && (flags & synFlag) !== 0 && this.#streams.take(1, nowMs) > 0) {
      throw overLimit(`the peer opened more than ${streams.perSecond} streams a second`)
    }
    if ((flags & resetFlag) !== 0 && this.#resets.take(1, nowMs) > 0) {
      throw overLimit(`the peer reset more than ${resets.perSecond} streams a second`)
    }
  }
}
