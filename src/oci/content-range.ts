import type { ByteRange } from '../core/byte-range.ts'

/** More ranges than this in one header are a way to make a server work, not to read. */
const maxRanges = 64

/**
 * A `Range` header for one range; without a length, up to the end.
 * @see {@link https://www.rfc-editor.org/rfc/rfc9110#section-14.2}
 */
export function printRange(range: { offset: number; length?: number | undefined }): string {
  const last = range.length === undefined ? '' : range.offset + range.length - 1
  return `bytes=${range.offset}-${last}`
}

/**
 * The ranges that a `Range` header asks of a blob, cut to its size and in the order asked. `undefined` when the
 * header is to be ignored (malformed, another unit, too many), empty when none lies inside the blob (answer 416).
 */
export function parseRange(header: string, sizeBytes: number): ByteRange[] | undefined {
  const list = /^bytes=(.+)$/i.exec(header.slice(0, 4096))?.[1]?.split(',')
  if (!list || list.length > maxRanges) return undefined
  const ranges: ByteRange[] = []
  for (const item of list) {
    const match = /^[ \t]*(\d{0,16})-(\d{0,16})[ \t]*$/.exec(item)
    if (!match || (!match[1] && !match[2])) return undefined
    const [first, last] = [Number(match[1]), Number(match[2])]
    if (!match[1]) {
      const length = Math.min(last, sizeBytes)
      if (length > 0) ranges.push({ offset: sizeBytes - length, length })
      continue
    }
    const end = match[2] ? Math.min(last + 1, sizeBytes) : sizeBytes
    if (match[2] && last < first) return undefined
    if (first < sizeBytes) ranges.push({ offset: first, length: end - first })
  }
  return ranges
}

/** What a `Content-Range` header says. */
export interface ContentRange {
  /** The bytes that follow; `undefined` in a 416, which has none. */
  readonly range: ByteRange | undefined
  /** Length of the whole, where the server knows it. */
  readonly sizeBytes: number | undefined
}

/** Reads a `Content-Range` header; `undefined` when it is malformed, contradicts itself, or is in another unit. */
export function parseContentRange(header: string | undefined): ContentRange | undefined {
  const match = /^bytes[ \t]+(?:(\d{1,16})-(\d{1,16})|\*)\/(\d{1,16}|\*)$/i.exec(
    header?.trim() ?? '',
  )
  if (!match) return undefined
  const sizeBytes = match[3] === '*' ? undefined : Number(match[3])
  if (sizeBytes !== undefined && !Number.isSafeInteger(sizeBytes)) return undefined
  if (match[1] === undefined) {
    return sizeBytes === undefined ? undefined : { range: undefined, sizeBytes }
  }
  const [first, last] = [Number(match[1]), Number(match[2])]
  if (last < first || !Number.isSafeInteger(last + 1)) return undefined
  if (sizeBytes !== undefined && last >= sizeBytes) return undefined
  return { range: { offset: first, length: last - first + 1 }, sizeBytes }
}

/** A `Content-Range` header; without a range, that of a 416. */
export function printContentRange(range: ByteRange | undefined, sizeBytes: number): string {
  return range
    ? `bytes ${range.offset}-${range.offset + range.length - 1}/${sizeBytes}`
    : `bytes */${sizeBytes}`
}
