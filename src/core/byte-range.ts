import { RequestError } from './errors.ts'

/**
 * Part of a blob.
 * @public
 */
export interface ByteRange {
  /** First byte, from 0. */
  readonly offset: number
  /** How many bytes. */
  readonly length: number
}

/**
 * Checks that a range lies inside a blob; without a range, the whole blob.
 * @throws {@link RequestError} `ERR_REQUEST_RANGE`
 */
export function rangeWithin(sizeBytes: number, range?: ByteRange): ByteRange {
  if (!range) return { offset: 0, length: sizeBytes }
  const { offset, length } = range
  if (
    Number.isSafeInteger(offset) &&
    Number.isSafeInteger(length) &&
    offset >= 0 &&
    length >= 0 &&
    offset + length <= sizeBytes
  ) {
    return range
  }
  throw new RequestError(
    'ERR_REQUEST_RANGE',
    `the range of ${length} bytes at ${offset} is not inside a blob of ${sizeBytes} bytes`,
  )
}
