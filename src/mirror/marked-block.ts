import { createHash } from 'node:crypto'
import { RequestError } from '../core/errors.ts'

/** Whether all of a file was made by us, or only what stands between the marks. */
export type BlockKind = 'file' | 'part'

/** Lines of ours in somebody's file, found by their marks. */
export interface MarkedBlock {
  readonly kind: BlockKind
  /** Where the first mark begins and the last one ends, in characters; its end of line counts where it has one. */
  readonly start: number
  readonly end: number
  /** The lines between the marks. */
  readonly body: string
}

const openMark = '# >>> damselfly'
const closeMark = '# <<< damselfly'
const openLine = /^# >>> damselfly (file|part) ([0-9a-f]{12}) [^\r\n]*(\r?\n)/m
/** What a line of the user becomes that ours stands in for. */
const keptPrefix = '#- '

/**
 * The block of ours in a text.
 * @param path - for the error
 * @throws {@link RequestError} when somebody edited it, which nobody but he can take back
 */
export function findBlock(text: string, path: string): MarkedBlock | undefined {
  const open = openLine.exec(text)
  if (!open) {
    if (linesWith(text, openMark).length > 0 || linesWith(text, closeMark).length > 0) throw edited(text, path)
    return undefined
  }
  const bodyStart = open.index + open[0].length
  const close = /^# <<< damselfly(?:\r?\n|$)/m.exec(text.slice(bodyStart))
  if (!close || linesWith(text, openMark).length > 1 || linesWith(text, closeMark).length > 1) throw edited(text, path)
  const body = text.slice(bodyStart, bodyStart + close.index)
  if (checksum(body) !== open[2]) throw edited(text, path)
  return { kind: open[1] === 'file' ? 'file' : 'part', start: open.index, end: bodyStart + close.index + close[0].length, body }
}

/**
 * Puts lines between marks and into a text, before the character at `offset`, which begins a line or ends the text.
 * @param instead - length of the line at `offset` that they stand in for, its end of line included
 */
export function insertBlock(text: string, offset: number, kind: BlockKind, lines: readonly string[], instead = 0): string {
  const eol = text.includes('\r\n') ? '\r\n' : '\n'
  const line = text.slice(offset, offset + instead)
  const kept = instead > 0 ? keptPrefix + line + (line.endsWith('\n') ? '' : eol) : ''
  const body = kept + lines.map((own) => own + eol).join('')
  const before = text.slice(0, offset)
  const after = text.slice(offset + instead)
  const open = `${openMark} ${kind} ${checksum(body)} made by damselfly configure, whose --undo takes it out; write your own lines outside of it${eol}`
  // At the end of a text without a last end of line there will be none after ours either: removal knows by that.
  const endsOpen = instead > 0 ? after === '' && !text.endsWith('\n') : after === '' && before !== '' && !before.endsWith('\n')
  const gap = endsOpen && instead === 0 ? eol : ''
  return `${before}${gap}${open}${body}${closeMark}${endsOpen ? '' : eol}${after}`
}

/** The text as it would be had our lines never been put in. */
export function removeBlock(text: string, { start, end, body }: MarkedBlock): string {
  const before = text.slice(0, start)
  const after = text.slice(end)
  const endsOpen = after === '' && !text.endsWith('\n')
  const [first = '', eol = ''] = /^(?:.*?)(\r?\n)/.exec(body) ?? []
  if (first.startsWith(keptPrefix)) {
    return before + first.slice(keptPrefix.length, first.length - eol.length) + (endsOpen ? '' : eol) + after
  }
  return (endsOpen ? before.replace(/\r?\n$/, '') : before) + after
}

/**
 * What is left of a file without our lines; `undefined` when nothing is, for then we made it.
 * @throws {@link RequestError} when somebody edited them
 */
export function withoutBlock(text: string, path: string): string | undefined {
  const own = findBlock(text, path)
  if (!own) return text
  const rest = removeBlock(text, own)
  return own.kind === 'file' && rest === '' ? undefined : rest
}

function checksum(body: string): string {
  return createHash('sha256').update(body).digest('hex').slice(0, 12)
}

function linesWith(text: string, mark: string): RegExpMatchArray[] {
  return [...text.matchAll(new RegExp(`^${mark}`, 'gm'))]
}

function edited(text: string, path: string): RequestError {
  const line = text.slice(0, text.search(/^# (?:>>>|<<<) damselfly/m)).split('\n').length
  return new RequestError(
    'ERR_REQUEST_OPTION',
    `${path}, line ${line}: what stands between the marks of damselfly was edited: move your lines out of it and delete the rest, marks included`,
  )
}
