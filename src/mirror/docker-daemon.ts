import { isDeepStrictEqual } from 'node:util'
import { parseTree, type Node } from 'jsonc-parser'
import { RequestError } from '../core/errors.ts'
import { isRecord } from '../core/json.ts'

const key = 'registry-mirrors'

interface Member {
  readonly key: string
  readonly keyStart: number
  readonly value: Node
}

/**
 * Puts a mirror first among the `registry-mirrors` of a `daemon.json`; everything else stays as it is, to the byte. A second time changes nothing.
 *
 * @param text - `undefined` where there is no file
 * @throws {@link RequestError} that says where the file is malformed
 */
export function mergeDockerDaemon(text: string | undefined, path: string, mirrorUrl: string): string {
  if (text === undefined || text.trim() === '') return `{\n  "${key}": [${JSON.stringify(mirrorUrl)}]\n}\n`
  const before = parseDaemon(text, path)
  if (before.mirrors.some((mirror) => isSame(mirror, mirrorUrl))) return text
  const merged = insertMirror(text, mirrorUrl)
  const expected = { ...before.all, [key]: [mirrorUrl, ...before.mirrors] }
  if (isDeepStrictEqual(parseDaemon(merged, path).all, expected)) return merged
  throw new RequestError('ERR_REQUEST_OPTION', `${path} is written in a way that nothing can be put into: add ${mirrorUrl} to its ${key} by hand`)
}

/**
 * Takes a mirror out of a `daemon.json` again.
 * @param hadKey - whether there were `registry-mirrors` before: an empty list stays then
 */
export function removeDockerMirror(text: string, path: string, mirrorUrl: string, hadKey: boolean): string {
  const { mirrors } = parseDaemon(text, path)
  const index = mirrors.findIndex((mirror) => isSame(mirror, mirrorUrl))
  if (index < 0) return text
  const members = membersOf(text)
  const at = members.findLastIndex((member) => member.key === key)
  const member = members[at]
  if (!member) return text
  if (mirrors.length === 1 && !hadKey) {
    const previous = members[at - 1]
    const next = members[at + 1]
    if (previous) return text.slice(0, endOf(previous.value)) + text.slice(endOf(member.value))
    return text.slice(0, member.keyStart) + text.slice(next ? next.keyStart : endOf(member.value))
  }
  const elements = member.value.children ?? []
  const element = elements[index]
  if (!element) return text
  const next = elements[index + 1]
  const previous = elements[index - 1]
  if (next) return text.slice(0, element.offset) + text.slice(next.offset)
  return text.slice(0, previous ? endOf(previous) : element.offset) + text.slice(endOf(element))
}

function insertMirror(text: string, mirrorUrl: string): string {
  const url = JSON.stringify(mirrorUrl)
  const eol = text.includes('\r\n') ? '\r\n' : '\n'
  const members = membersOf(text)
  const own = members.findLast((member) => member.key === key)
  if (own) {
    const [first] = own.value.children ?? []
    const at = first ? first.offset : own.value.offset + 1
    const gap = first ? `,${text.slice(own.value.offset + 1, first.offset) || ' '}` : ''
    return text.slice(0, at) + url + gap + text.slice(at)
  }
  const member = `"${key}": [${url}]`
  const [previous, last] = [members.at(-2), members.at(-1)]
  if (last) {
    const gapStart = previous ? endOf(previous.value) : text.indexOf('{') + 1
    const gap = text.slice(gapStart, last.keyStart).replace(/^\s*,/, '')
    return `${text.slice(0, endOf(last.value))},${gap || ' '}${member}${text.slice(endOf(last.value))}`
  }
  const open = text.indexOf('{') + 1
  return `${text.slice(0, open)}${eol}  ${member}${eol}${text.slice(open)}`
}

/** @throws {@link RequestError} that says where the file is malformed */
function parseDaemon(text: string, path: string): { readonly all: Record<string, unknown>; readonly mirrors: readonly string[] } {
  let all: unknown
  try {
    all = JSON.parse(text)
  } catch (cause) {
    const { message } = cause as SyntaxError
    throw new RequestError('ERR_REQUEST_OPTION', `${path}${printPlace(text, message)}: ${message.split(' in JSON')[0]}; nothing was written`, { cause })
  }
  if (!isRecord(all)) throw new RequestError('ERR_REQUEST_OPTION', `${path}, line 1: it is not a JSON object; nothing was written`)
  const mirrors = all[key] ?? []
  if (Array.isArray(mirrors) && mirrors.every((mirror) => typeof mirror === 'string') && all[key] !== null) return { all, mirrors }
  const line = lineAt(text, membersOf(text).findLast((member) => member.key === key)?.keyStart ?? 0)
  throw new RequestError('ERR_REQUEST_OPTION', `${path}, line ${line}: ${key} is not a list of addresses; nothing was written`)
}

/** Runtimes name the position, or nothing where the text just ends. */
function printPlace(text: string, message: string): string {
  const position = /at position (\d+)/.exec(message)?.[1]
  return `, line ${lineAt(text, position === undefined ? text.trimEnd().length : Number(position))}`
}

function lineAt(text: string, offset: number): number {
  return text.slice(0, offset).split('\n').length
}

/** Docker ends them with a slash or not. */
function isSame(a: string, b: string): boolean {
  return a.replace(/\/+$/, '') === b.replace(/\/+$/, '')
}

/** The members of the outermost object of a text that is well-formed. */
function membersOf(text: string): Member[] {
  const members = parseTree(text)?.children ?? []
  return members.flatMap(({ children: [name, value] = [] }) => (name && value ? [{ key: String(name.value), keyStart: name.offset, value }] : []))
}

function endOf({ offset, length }: Node): number {
  return offset + length
}
