import fc from 'fast-check'
import { SwarmError } from '../../src/core/errors.ts'

/** Whether an error is one that the decoder may throw at bad bytes. */
export type Refuses = (error: unknown) => boolean

/** What reads foreign bytes, with all that the fuzzing needs to know of it. */
export interface DecoderSpec<Value> {
  /** Kebab-case; names the folder of its corpus, too. */
  readonly name: string
  /** What it stands for, as `folder/file.ts#export`. */
  readonly covers: readonly string[]
  /** What the bytes say; `undefined` when they are refused without an error. */
  readonly read: (bytes: Uint8Array) => Value | undefined
  /** @defaultValue none: it throws nothing */
  readonly refuses?: Refuses
  /** Encodings that are read; with `values` and `print` those are used. */
  readonly samples?: fc.Arbitrary<Uint8Array>
  readonly values?: fc.Arbitrary<Value>
  /** Writes what was read. */
  readonly print?: (value: Value) => Uint8Array
  /** What is longer is cut before it is read, in bytes. @defaultValue nothing is */
  readonly cutAfterBytes?: number
  /** There is one form for each value: what was read prints as the bytes that it was read from. */
  readonly exact?: boolean
  /** Most bytes and items in what is read from so many bytes. @defaultValue as many, and 64 */
  readonly maxUnits?: (inputBytes: number) => number
  /** What the bytes are made of, for mutations. */
  readonly kind: 'binary' | 'text' | 'json'
  /** Words that mutations put in. */
  readonly words?: readonly string[]
  /** Makes checksums good again after a mutation. */
  readonly seal?: (bytes: Uint8Array) => Uint8Array
  /** For decoders of streams: one that is fed chunk by chunk; its parts, in order, are the same for all chunks. */
  readonly open?: () => (chunk: Uint8Array) => readonly unknown[]
  /** What is true of all that is read. */
  readonly holds?: (value: Value, bytes: Uint8Array) => boolean
}

/** A {@link DecoderSpec} that has forgotten the type of its values. */
export interface Decoder extends Omit<DecoderSpec<unknown>, 'print' | 'holds' | 'values' | 'refuses' | 'maxUnits' | 'samples'> {
  readonly refuses: Refuses
  readonly maxUnits: (inputBytes: number) => number
  readonly samples: fc.Arbitrary<Uint8Array>
  readonly values: fc.Arbitrary<unknown> | undefined
  readonly print: ((value: unknown) => Uint8Array) | undefined
  readonly holds: (value: unknown, bytes: Uint8Array) => boolean
}

export function decoder<Value>(spec: DecoderSpec<Value>): Decoder {
  const { samples, values, print, refuses = () => false, maxUnits = (inputBytes) => inputBytes + 64, holds } = spec
  const drawn = samples ?? (values && print && values.map(print))
  if (!drawn) throw new TypeError(`${spec.name} has no samples`)
  return {
    ...spec,
    refuses,
    maxUnits,
    samples: drawn,
    values,
    // What comes in is what the decoder itself has read, or what was drawn for it.
    print: print && ((value) => print(value as Value)),
    holds: holds ? (value, bytes) => holds(value as Value, bytes) : () => true,
  }
}

/** The errors of ours with one of these codes. */
export function codes(...allowed: readonly string[]): Refuses {
  return (error) => error instanceof SwarmError && allowed.includes(error.code)
}

const encoder = new TextEncoder()
// Bytes that are no UTF-8 reach decoders of text as Node gives them: with replacement characters.
const lenient = new TextDecoder('utf-8', { ignoreBOM: true })

export function bytesOfText(text: string): Uint8Array {
  return encoder.encode(text)
}

export function textOf(bytes: Uint8Array): string {
  return lenient.decode(bytes)
}

/** Header values reach decoders as Latin-1. */
export function headerOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('latin1')
}

export function bytesOfHeader(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text, 'latin1'))
}

export function jsonBytes(value: unknown): Uint8Array {
  return bytesOfText(JSON.stringify(value))
}
