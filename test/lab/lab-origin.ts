import type { ByteRange } from '../../src/core/byte-range.ts'
import { sleep } from '../../src/core/clock.ts'
import { OriginError } from '../../src/core/errors.ts'
import type { Origin, OriginBody } from '../../src/core/origin.ts'
import type { BlobContent } from '../../src/testing/seeded-content.ts'
import type { NodeLoop } from './node-loop.ts'
import type { LabTime } from './lab-time.ts'
import { Card } from './wire.ts'

const chunkBytes = 64 * 1024
/** How much a server sends ahead of who reads. */
const answerMs = 20

/** What an origin does wrong; each hits the next reads, as often as it says, or while it lasts. */
export type OriginFault =
  | { readonly kind: 'unavailable' | 'truncates' | 'wrong-bytes' | 'slow'; times: number }
  | { readonly kind: 'rate'; readonly retryAfterMs: number; times: number }

/** Who reads from it. */
interface Reader {
  readonly name: string
  readonly loop: NodeLoop
  readonly signal?: AbortSignal | undefined
}

/** A registry in a lab: it gives blobs at its own pace, and fails as it is told. */
export class LabOrigin {
  /** Who logs an origin, or sends what belongs to it, gives this away. */
  readonly #canary: string
  readonly #time: LabTime
  readonly #card: Card
  #downUntilMs = 0
  readonly faults: OriginFault[] = []
  /** Bytes that it sent, by digest. */
  readonly sentBytes = new Map<string, number>()
  reads = 0
  /** Hosts that it gave bytes which are not those of the blob. */
  readonly misled = new Set<string>()

  constructor(time: LabTime, canary: string, bytesPerSecond: number) {
    this.#time = time
    this.#canary = canary
    this.#card = new Card(bytesPerSecond)
  }

  /** Nobody reaches it for so long. */
  goDown(forMs: number): void {
    this.#downUntilMs = Math.max(this.#downUntilMs, this.#time.now + forMs)
  }

  /** A blob of it, as a node reads it. */
  of(content: BlobContent, { name, loop }: Reader, options: { readonly private?: boolean; readonly reachable?: () => boolean } = {}): Origin {
    const { private: usedCredentials = false, reachable = () => true } = options
    const origin: Origin & { authorization: string } = {
      name: usedCredentials ? 'lab.example/private' : 'lab.example/blobs',
      authorization: this.#canary,
      read: (range, { signal } = {}) => this.#read(content, range, { name, loop, usedCredentials, reachable, signal }),
    }
    return origin
  }

  async #read(
    content: BlobContent,
    range: ByteRange = { offset: 0, length: content.sizeBytes },
    { usedCredentials, reachable, ...reader }: Reader & { usedCredentials: boolean; reachable: () => boolean },
  ): Promise<OriginBody> {
    this.reads++
    this.#time.note('origin', range.offset, range.length)
    await sleep(reader.loop, answerMs, reader.signal)
    if (!reachable() || this.#time.now < this.#downUntilMs) throw unavailable()
    const fault = this.#nextFault()
    if (fault?.kind === 'unavailable') throw unavailable()
    if (fault?.kind === 'rate') {
      throw new OriginError('ERR_ORIGIN_RATE', 'the origin asks to be left alone', { status: 429, retryAfterMs: fault.retryAfterMs })
    }
    const isUp = (): boolean => reachable() && this.#time.now >= this.#downUntilMs
    return { sizeBytes: content.sizeBytes, usedCredentials, chunks: this.#body(content, range, { ...reader, fault, isUp }) }
  }

  async *#body(
    content: BlobContent,
    { offset, length }: ByteRange,
    { name, loop, fault, isUp, signal }: Reader & { fault: OriginFault | undefined; isUp: () => boolean },
  ): AsyncGenerator<Uint8Array> {
    const end = offset + length
    const endsAt = fault?.kind === 'truncates' ? offset + Math.floor(length / 2) : end
    for (let at = offset; at < endsAt; at += chunkBytes) {
      const part = { offset: at, length: Math.min(chunkBytes, endsAt - at) }
      const readyMs = this.#card.take(part.length, this.#time.now) + (fault?.kind === 'slow' ? 400 : 0)
      await sleep(loop, readyMs - this.#time.now, signal)
      if (!isUp()) throw new OriginError('ERR_ORIGIN_TRUNCATED', 'the connection to the origin broke')
      const bytes = content.read(part)
      this.sentBytes.set(content.digest, (this.sentBytes.get(content.digest) ?? 0) + part.length)
      if (fault?.kind === 'wrong-bytes') this.misled.add(name)
      yield fault?.kind === 'wrong-bytes' ? withOneBitTurned(bytes) : bytes
    }
    if (endsAt < end) throw new OriginError('ERR_ORIGIN_TRUNCATED', 'the origin ended its answer early')
  }

  #nextFault(): OriginFault | undefined {
    const [fault] = this.faults
    if (fault && --fault.times <= 0) this.faults.shift()
    return fault
  }
}

/** The same bytes with one bit turned. */
export function withOneBitTurned(bytes: Uint8Array): Uint8Array {
  const copy = bytes.slice()
  copy[copy.length >> 1] = (copy[copy.length >> 1] ?? 0) ^ 1
  return copy
}

function unavailable(): OriginError {
  return new OriginError('ERR_ORIGIN_UNAVAILABLE', 'the origin answers 503', { status: 503 })
}
