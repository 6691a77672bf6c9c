import assert from 'node:assert/strict'
import { inspect } from 'node:util'
import { AbstractMessageStream } from '@libp2p/utils'

/** A secret that is put somewhere to be looked for everywhere. */
export interface Canary {
  readonly slot: string
  readonly bytes: Uint8Array
}

/** Secrets of one run, each of which names its slot. */
export class Canaries {
  readonly #all: Canary[] = []

  /** Text for a slot. */
  text(slot: string): string {
    const text = `canary-${slot.replaceAll(' ', '-')}-5f1d7c`
    this.bytes(slot, Buffer.from(text))
    return text
  }

  bytes<Bytes extends Uint8Array>(slot: string, bytes: Bytes): Bytes {
    this.#all.push({ slot, bytes })
    return bytes
  }

  /** Fails when one of them, in any form in which it may have been written, is in the bytes. */
  absentFrom(where: string, haystack: Uint8Array | string): void {
    // A debugger puts lists in columns.
    const text = typeof haystack === 'string' ? haystack.replaceAll(/ +/g, ' ').replaceAll(/,\n +/g, ', ') : Buffer.from(haystack).toString('latin1')
    for (const { slot, bytes } of this.#all) {
      for (const form of formsOf(bytes)) {
        const index = text.indexOf(form)
        assert.ok(index < 0, `the ${slot} is in ${where}: …${JSON.stringify(text.slice(Math.max(index - 80, 0), index + 80))}…`)
      }
    }
  }
}

/** How bytes may look: as they are, as digits, in base64 at any place of a longer text, escaped in an address, listed by a debugger. */
function formsOf(bytes: Uint8Array): string[] {
  const buffer = Buffer.from(bytes)
  const hex = buffer.toString('hex')
  const inBase64 = [0, 1, 2].flatMap((shift) => {
    const shifted = Buffer.concat([Buffer.alloc(shift), buffer])
    // Digits that hold bits of neighbours too are left out.
    const first = Math.ceil((shift * 8) / 6)
    const last = Math.floor((shifted.byteLength * 8) / 6)
    return (['base64', 'base64url'] as const).map((encoding) => shifted.toString(encoding).slice(first, last))
  })
  const listed = [...buffer.subarray(0, 12)]
  return [
    buffer.toString('latin1'),
    hex,
    hex.toUpperCase(),
    ...inBase64,
    encodeURIComponent(buffer.toString('latin1')),
    listed.join(','),
    listed.join(', '),
    inspect(buffer.subarray(0, 12)).slice(8, -1),
  ]
}

/** Everything that anybody could see of a value. */
export function visible(value: unknown): string {
  const seen: string[] = [String(value), inspect(value, { depth: 30, showHidden: true, getters: true, maxStringLength: null, maxArrayLength: null })]
  const causes: unknown[] = []
  for (let cause = value; cause instanceof Error && causes.length < 20; cause = cause.cause) {
    causes.push(cause)
    seen.push(cause.message, cause.stack ?? '', JSON.stringify(cause), JSON.stringify(cause, Object.getOwnPropertyNames(cause)))
    if (cause instanceof AggregateError) seen.push(...cause.errors.map(visible))
  }
  if (causes.length === 0) {
    try {
      seen.push(JSON.stringify(value, (_, part: unknown) => (typeof part === 'bigint' ? String(part) : part)) ?? '')
    } catch {
      // What cannot be written as JSON is not written.
    }
  }
  return seen.join('\n')
}

/** Records what all libp2p streams of this process send, control, pieces and DHT alike, before they are encrypted. */
export function recordStreams(): { readonly bytes: Uint8Array; readonly protocols: ReadonlySet<string>; stop(): void } {
  const chunks: Uint8Array[] = []
  const protocols = new Set<string>()
  const { send } = AbstractMessageStream.prototype
  AbstractMessageStream.prototype.send = function (data) {
    chunks.push(Uint8Array.from(data.subarray()))
    if ('protocol' in this && typeof this.protocol === 'string') protocols.add(this.protocol)
    return send.call(this, data)
  }
  return {
    get bytes() {
      return Buffer.concat(chunks)
    },
    protocols,
    stop() {
      AbstractMessageStream.prototype.send = send
    },
  }
}
