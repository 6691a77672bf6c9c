import type { ByteRange } from '../core/byte-range.ts'
import { parseRange, printContentRange } from '../oci/content-range.ts'

/** What part of a blob a request is answered with. */
export type RangePlan =
  | { readonly kind: 'whole' }
  | { readonly kind: 'one'; readonly range: ByteRange }
  | { readonly kind: 'several'; readonly ranges: readonly ByteRange[] }
  /** Answered by 416. */
  | { readonly kind: 'none' }

/**
 * Reads `Range` and `If-Range`. What is malformed counts as absent, and so does a range of a representation that is not ours any more.
 * @param etag - of the blob, with its quotes
 * @see {@link https://www.rfc-editor.org/rfc/rfc9110#section-14.2}
 */
export function planRange(headers: { range?: string | undefined; ifRange?: string | undefined }, etag: string, sizeBytes: number): RangePlan {
  const { range, ifRange } = headers
  if (range === undefined || (ifRange !== undefined && ifRange.trim() !== etag)) return { kind: 'whole' }
  const ranges = parseRange(range, sizeBytes)
  if (!ranges) return { kind: 'whole' }
  const [first, ...more] = ranges
  if (!first) return { kind: 'none' }
  if (more.length === 0) return { kind: 'one', range: first }
  // Overlapping ranges are a way to be sent a blob many times over.
  const askedBytes = ranges.reduce((sum, { length }) => sum + length, 0)
  return askedBytes > sizeBytes ? { kind: 'whole' } : { kind: 'several', ranges }
}

/** A body of several ranges: what goes before each, what goes after the last, and how long all of it is. */
export interface MultipartPlan {
  readonly contentType: string
  readonly contentLength: number
  readonly parts: readonly { readonly header: Uint8Array; readonly range: ByteRange }[]
  readonly end: Uint8Array
}

/**
 * A `multipart/byteranges` body.
 * @param boundary - must occur in no part; random
 * @see {@link https://www.rfc-editor.org/rfc/rfc9110#section-14.6}
 */
export function planMultipart(ranges: readonly ByteRange[], contentType: string, sizeBytes: number, boundary: string): MultipartPlan {
  const parts = ranges.map((range) => ({
    header: Buffer.from(`\r\n--${boundary}\r\nContent-Type: ${contentType}\r\nContent-Range: ${printContentRange(range, sizeBytes)}\r\n\r\n`),
    range,
  }))
  const end = Buffer.from(`\r\n--${boundary}--\r\n`)
  const contentLength = parts.reduce((sum, { header, range }) => sum + header.byteLength + range.length, end.byteLength)
  return { contentType: `multipart/byteranges; boundary=${boundary}`, contentLength, parts, end }
}
