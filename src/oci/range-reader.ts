import type { ByteRange } from '../core/byte-range.ts'
import { maxBlobBytes } from '../core/descriptor.ts'
import { OriginError } from '../core/errors.ts'
import type { OriginBody } from '../core/origin.ts'
import { parseContentRange } from './content-range.ts'
import type { HttpResponse } from './http-response.ts'
import type { RangeHabits } from './range-habits.ts'
import type { Retries } from './retries.ts'

/** An answer to a request for bytes. */
export interface RangeAnswer {
  /** Of status 200 or 206. */
  readonly response: HttpResponse
  readonly usedCredentials: boolean
  /** Whether a range was asked for. */
  readonly askedRange: boolean
  readonly habits: RangeHabits
  /** The body failed. */
  failed(failure: unknown): void
}

/** What to read, and how. */
export interface RangeRequest {
  readonly range?: ByteRange | undefined
  /** Length of the whole, where it is known; what the server says must agree. */
  readonly sizeBytes?: number | undefined
  readonly retries: Retries
  /** Asks for the bytes from `offset` on, up to `end` (not included) where that is known. */
  open(offset: number, end: number | undefined): Promise<RangeAnswer>
}

/** An answer that has been understood. */
interface Part {
  readonly answer: RangeAnswer
  /** Of its first byte, in the whole. */
  readonly offset: number
  /** Length of the whole, where the answer says. */
  readonly sizeBytes: number | undefined
}

/**
 * Reads bytes over HTTP, going on where a broken answer ended. A server that does not do ranges is read from the
 * start, and the bytes before the place are dropped. Should the whole have changed meanwhile, its digest will tell.
 *
 * @throws {@link OriginError} as `open` does; `ERR_ORIGIN_SIZE` when the answer is not what was asked for
 */
export async function readRange(request: RangeRequest): Promise<OriginBody> {
  const { range } = request
  if (range?.length === 0) {
    return { sizeBytes: request.sizeBytes, usedCredentials: false, chunks: nothing() }
  }
  const start = range?.offset ?? 0
  const first = await openPart(request, start, range ? start + range.length : request.sizeBytes)
  const sizeBytes = request.sizeBytes ?? first.sizeBytes
  let { usedCredentials } = first.answer
  const parts = { ...request, sizeBytes, start, end: range ? start + range.length : sizeBytes }
  return {
    sizeBytes,
    // It may turn true: a later part may come from a place that wants credentials.
    get usedCredentials() {
      return usedCredentials
    },
    mediaType: first.answer.response.header('content-type'),
    chunks: readParts(parts, first, (answer) => {
      usedCredentials ||= answer.usedCredentials
    }),
  }
}

async function* readParts(
  request: RangeRequest & { start: number; end: number | undefined },
  first: Part,
  resumed: (answer: RangeAnswer) => void,
): AsyncGenerator<Uint8Array> {
  const { start, end, sizeBytes, retries } = request
  let part = first
  let offset = start
  for (;;) {
    try {
      for await (const chunk of bytesOf(part, offset, end, sizeBytes)) {
        offset += chunk.byteLength
        retries.progressed(chunk.byteLength)
        yield chunk
      }
      return
    } catch (failure) {
      part.answer.failed(failure)
      await retries.next(failure)
    }
    part = await openPart(request, offset, end)
    resumed(part.answer)
  }
}

async function openPart(
  request: RangeRequest,
  offset: number,
  end: number | undefined,
): Promise<Part> {
  for (;;) {
    try {
      const answer = await request.open(offset, end)
      const part = understand(answer, offset, end, request.sizeBytes)
      if (part) {
        answer.habits.heard(answer.response)
        return part
      }
      answer.response.destroy()
      if (!answer.askedRange) throw wrongRange(answer, offset)
      // The whole, then; asked for at once, for the server is well.
      answer.habits.misunderstood(answer.response)
    } catch (failure) {
      await request.retries.next(failure)
    }
  }
}

/** What an answer holds; `undefined` when it is another range than the one asked for. */
function understand(
  answer: RangeAnswer,
  offset: number,
  end: number | undefined,
  expectedBytes: number | undefined,
): Part | undefined {
  const { response } = answer
  if (response.status !== 206) {
    if (answer.askedRange) answer.habits.misunderstood(response)
    const part = { answer, offset: 0, sizeBytes: response.lengthBytes }
    return checkSize(part, expectedBytes)
  }
  const said = parseContentRange(response.header('content-range'))
  if (said?.range?.offset !== offset) return undefined
  if (end !== undefined && offset + said.range.length > end) return undefined
  return checkSize({ answer, offset, sizeBytes: said.sizeBytes }, expectedBytes)
}

function checkSize(part: Part, expectedBytes: number | undefined): Part {
  const { sizeBytes } = part
  if (sizeBytes === undefined || expectedBytes === undefined || sizeBytes === expectedBytes) {
    return part
  }
  part.answer.response.destroy()
  throw new OriginError(
    'ERR_ORIGIN_SIZE',
    `the origin has ${sizeBytes} bytes where ${expectedBytes} were expected`,
  )
}

/**
 * The bytes of an answer from `offset` to `end`. The last of them are held back until the answer has ended: then a
 * body that is too long shows before its end is used, and its connection can be used again.
 */
async function* bytesOf(
  part: Part,
  offset: number,
  end: number | undefined,
  sizeBytes: number | undefined,
): AsyncGenerator<Uint8Array> {
  const limit = end ?? maxBlobBytes
  // A whole that came where a part was wanted goes on behind it.
  const goesOn =
    part.answer.response.status === 200 &&
    end !== undefined &&
    end !== (sizeBytes ?? part.sizeBytes)
  let position = part.offset
  let last: Uint8Array | undefined
  for await (const chunk of part.answer.response.chunks()) {
    const wanted = chunk.subarray(Math.max(offset - position, 0), limit - position)
    position += chunk.byteLength
    if (position > limit && !goesOn) {
      throw new OriginError(
        'ERR_ORIGIN_SIZE',
        `the origin sends more than the ${limit} bytes that there are`,
      )
    }
    if (position < limit) {
      if (wanted.byteLength > 0) yield wanted
      continue
    }
    last = wanted
    if (goesOn) break
  }
  if (last && last.byteLength > 0) yield last
  if (end !== undefined && position < end) {
    throw new OriginError(
      'ERR_ORIGIN_TRUNCATED',
      `the origin ended its answer ${end - position} bytes too early`,
    )
  }
}

function wrongRange(answer: RangeAnswer, offset: number): OriginError {
  const said = answer.response.header('content-range')?.slice(0, 100) ?? 'no Content-Range'
  return new OriginError(
    'ERR_ORIGIN_SIZE',
    `the origin was asked for its bytes from ${offset} on, and answers with ${said}`,
  )
}

async function* nothing(): AsyncGenerator<Uint8Array> {}
