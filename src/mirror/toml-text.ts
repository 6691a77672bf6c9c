import { isDeepStrictEqual } from 'node:util'
import { parse, TomlError, type TomlTable } from 'smol-toml'
import { RequestError } from '../core/errors.ts'

export type { TomlTable }

/**
 * What a TOML text says.
 * @throws {@link RequestError} that says where it is malformed
 */
export function parseToml(text: string, path: string): TomlTable {
  try {
    return parse(text)
  } catch (cause) {
    if (!(cause instanceof TomlError)) throw cause
    const [reason = ''] = cause.message.split('\n')
    const hint = reason.replace(/^Invalid TOML document: /, '')
    throw new RequestError('ERR_REQUEST_OPTION', `${path}, line ${cause.line}, column ${cause.column}: ${hint}; nothing was written`, { cause })
  }
}

/** A table inside of another one; `undefined` where there is none by that name. */
export function tableOf(table: TomlTable | undefined, ...names: readonly string[]): TomlTable | undefined {
  let current = table
  for (const name of names) {
    const value: unknown = current?.[name]
    current = isTable(value) ? value : undefined
  }
  return current
}

/** Whether a value is a table, and neither a list nor a date. */
export function isTable(value: unknown): value is TomlTable {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date)
}

/** Whether two values say the same, however the tables among them were made. */
export function isSameToml(a: unknown, b: unknown): boolean {
  return isDeepStrictEqual(structuredClone(a), structuredClone(b))
}

/**
 * Where the first table begins, with the comments that stand directly above it: what is put there comes after the keys of no table, and before all
 * tables. The length of the text where there is no table.
 *
 * @param text - well-formed
 */
export function firstTableOffset(text: string): number {
  let offset = 0
  let commentsFrom: number | undefined
  while (offset < text.length) {
    const indent = /^[ \t]*/.exec(text.slice(offset, offset + 1024))?.[0].length ?? 0
    const first = text[offset + indent]
    if (first === '[') return commentsFrom ?? offset
    const end = statementEnd(text, offset + indent)
    commentsFrom = first === '#' ? (commentsFrom ?? offset) : undefined
    offset = end
  }
  return text.length
}

/** Where the line after a statement begins; strings and lists may go over several lines. */
function statementEnd(text: string, start: number): number {
  let depth = 0
  let offset = start
  while (offset < text.length) {
    const char = text[offset]
    if (char === '"' || char === "'") {
      offset = stringEnd(text, offset, char)
      continue
    }
    if (char === '#') {
      const end = text.indexOf('\n', offset)
      offset = end < 0 ? text.length : end
      continue
    }
    if (char === '[' || char === '{') depth++
    if (char === ']' || char === '}') depth--
    offset++
    if (char === '\n' && depth === 0) return offset
  }
  return text.length
}

function stringEnd(text: string, start: number, quote: '"' | "'"): number {
  const long = text.startsWith(quote.repeat(3), start)
  const mark = long ? quote.repeat(3) : quote
  let offset = start + mark.length
  while (offset < text.length && !text.startsWith(mark, offset)) offset += quote === '"' && text[offset] === '\\' ? 2 : 1
  offset += mark.length
  // Up to two quotes may stand before the three that end it.
  while (long && text[offset] === quote) offset++
  return offset
}
