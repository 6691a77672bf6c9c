import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { bytesOfText } from './decoder.ts'

const corpus = join(import.meta.dirname, 'corpus')
const vectors = join(import.meta.dirname, '../../docs/spec/vectors')

/** Folders of the corpus. */
export function keptFolders(): string[] {
  return readdirSync(corpus)
}

/**
 * Inputs that are kept for a decoder: what once went wrong, and the vectors of the specification. Files that end in `.hex` are in hex,
 * with white space anywhere; others are as they are.
 */
export function keptFor(decoder: string): Uint8Array[] {
  const folder = join(corpus, decoder)
  const files = existsSync(folder) ? readdirSync(folder) : []
  const read = files.map((file) => {
    const bytes = readFileSync(join(folder, file))
    return file.endsWith('.hex') ? fromHex(bytes.toString('latin1')) : Uint8Array.from(bytes)
  })
  return [...read, ...(vectorsByDecoder.get(decoder) ?? [])]
}

interface Vector {
  readonly hex: string
  readonly stream?: string
  readonly text?: string
}

const vectorsByDecoder: ReadonlyMap<string, readonly Uint8Array[]> = new Map([
  ...['control', 'request', 'reply'].map((stream): [string, Uint8Array[]] => [
    `${stream}-stream`,
    vectorsIn('frames.json').filter((vector) => vector.stream === stream).map(({ hex }) => fromHex(hex)),
  ]),
  ['varint', vectorsIn('varints.json').map(({ hex }) => fromHex(hex))],
  ['grant', vectorsIn('grants.json').map(({ hex }) => fromHex(hex))],
  ['grant-text', vectorsIn('grants.json').flatMap(({ text }) => (text === undefined ? [] : [bytesOfText(text)]))],
])

function vectorsIn(file: string): Vector[] {
  const { valid, tolerated = [], invalid }: Record<'valid' | 'tolerated' | 'invalid', Vector[]> = JSON.parse(readFileSync(join(vectors, file), 'utf8'))
  return [...valid, ...tolerated, ...invalid]
}

function fromHex(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text.replaceAll(/\s/g, ''), 'hex'))
}
