import type { IncomingMessage, ServerResponse } from 'node:http'
import type { ByteRange } from '../core/byte-range.ts'
import { sleep, type Clock } from '../core/clock.ts'
import type { OriginFault } from './origin-fault.ts'
import type { BlobContent } from './seeded-content.ts'

const stepBytes = 256 * 1024

/** Something that an origin has. */
export interface Resource {
  readonly content: BlobContent
  readonly mediaType: string
}

/** How to send a resource. */
export interface Sending {
  readonly fault: OriginFault
  readonly clock: Clock
  /** Aborted when the client has gone. */
  readonly signal: AbortSignal
  /** Told of bytes that are with the kernel. */
  sent(bytes: number): void
}

/** Answers with a resource or the part of it that was asked for. */
export async function sendResource(
  request: IncomingMessage,
  response: ServerResponse,
  { content, mediaType }: Resource,
  sending: Sending,
): Promise<void> {
  const { fault } = sending
  const { digest, sizeBytes } = content
  const etag = response.getHeader('etag') ?? `"${digest}"`
  const range = fault.ignoreRange ? undefined : askedRange(request, sizeBytes, etag)
  if (range === 'unsatisfiable') {
    return reply(response, 416, '', { 'content-range': `bytes */${sizeBytes}` })
  }
  const { offset, length } = range ?? { offset: 0, length: sizeBytes }
  const bodyBytes = length + (fault.extraBytes ?? 0)
  reply(response, range ? 206 : 200, undefined, {
    'accept-ranges': 'bytes',
    'content-type': mediaType,
    'docker-content-digest': digest,
    etag: String(etag),
    ...(!response.hasHeader('transfer-encoding') && { 'content-length': String(bodyBytes) }),
    ...(range && { 'content-range': `bytes ${offset}-${offset + length - 1}/${sizeBytes}` }),
  })
  if (request.method === 'HEAD') return void response.end()
  await sendBody(response, content, { offset, length: bodyBytes }, sending)
}

/** Answers with a status, headers where they are not set yet, and a body unless that is still to come. */
export function reply(
  response: ServerResponse,
  status: number,
  body: string | undefined,
  headers: Readonly<Record<string, string>> = {},
): void {
  for (const [name, value] of Object.entries(headers)) {
    if (!response.hasHeader(name)) response.setHeader(name, value)
  }
  response.writeHead(status)
  if (body !== undefined) response.end(body)
}

async function sendBody(
  response: ServerResponse,
  content: BlobContent,
  range: ByteRange,
  sending: Sending,
): Promise<void> {
  const { fault, clock, signal } = sending
  const { bytesPerSecond, cutAfterBytes } = fault
  response.flushHeaders()
  const end = Math.min(range.length, cutAfterBytes ?? range.length)
  for (let done = 0; done < end;) {
    const step = Math.min(stepBytes, bytesPerSecond ?? stepBytes, end - done)
    if (!(await write(response, bodyBytes(content, range.offset + done, step, fault)))) return
    sending.sent(step)
    done += step
    if (bytesPerSecond !== undefined) await sleep(clock, 1000, signal)
  }
  if (cutAfterBytes === undefined) response.end()
  else response.destroy()
}

/**
 * The one range that is asked for; none when there is no such header, it is not of that simple form, or `If-Range`
 * does not hold.
 */
function askedRange(
  request: IncomingMessage,
  sizeBytes: number,
  etag: unknown,
): ByteRange | 'unsatisfiable' | undefined {
  const match = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '')
  const condition = request.headers['if-range']
  if (!match || (condition !== undefined && condition !== etag)) return undefined
  const offset = Number(match[1])
  const end = match[2] ? Math.min(Number(match[2]) + 1, sizeBytes) : sizeBytes
  return offset < end ? { offset, length: end - offset } : 'unsatisfiable'
}

function bodyBytes(
  content: BlobContent,
  offset: number,
  length: number,
  fault: OriginFault,
): Uint8Array {
  const inside = Math.max(Math.min(length, content.sizeBytes - offset), 0)
  const bytes = content.read({ offset, length: inside })
  const padded = inside === length ? bytes : Buffer.concat([bytes], length)
  return fault.wrongBytes ? padded.map((byte) => byte ^ 0xff) : padded
}

/** Resolves when the bytes are with the kernel: true, or false when the client has gone. */
function write(response: ServerResponse, bytes: Uint8Array): Promise<boolean> {
  return new Promise((resolve) => {
    if (response.destroyed) return resolve(false)
    response.write(bytes, (error) => resolve(!error))
  })
}
