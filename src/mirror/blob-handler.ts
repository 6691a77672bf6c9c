import { randomBytes } from 'node:crypto'
import type { ByteRange } from '../core/byte-range.ts'
import type { Digest } from '../core/digest.ts'
import { printContentRange } from '../oci/content-range.ts'
import { manifestMediaTypes } from '../oci/image-manifest.ts'
import type { OpenBlob } from '../swarm/open-blob.ts'
import { refusalAnswer, refusalOf } from './error-answer.ts'
import { matches, type HandlerInit, type Place } from './manifest-handler.ts'
import type { MirrorAnswer, MirrorRequest } from './mirror-answer.ts'
import { planMultipart, planRange } from './range-plan.ts'
import { Refusal } from './refusal.ts'

const contentType = 'application/octet-stream'
/** Blobs of up to this size are whole and verified before their first byte leaves: even an origin's wrong bytes stay here then. */
const verifiedFirstBytes = 64 * 1024 * 1024

/** Answers for blobs, and parts of them, while they load. */
export class BlobHandler {
  readonly #init: HandlerInit

  constructor(init: HandlerInit) {
    this.#init = init
  }

  async answer(request: MirrorRequest, place: Place, digest: Digest): Promise<MirrorAnswer> {
    const etag = `"${digest}"`
    const validators = { etag, 'docker-content-digest': digest, 'accept-ranges': 'bytes' }
    if (matches(request.header('if-none-match'), etag)) return { status: 304, headers: validators }
    try {
      const blob = await this.#open(request, place, digest)
      try {
        return await this.#answerFrom(blob, request, validators, etag)
      } catch (error) {
        await blob.close()
        throw error
      }
    } catch (error) {
      if (request.signal.aborted) throw error
      return refusalAnswer(refusalOf(error, 'BLOB_UNKNOWN'))
    }
  }

  #open({ signal }: MirrorRequest, { resolver, ...upstream }: Place, digest: Digest): Promise<OpenBlob> {
    const { swarm, served } = this.#init
    const known = served.get(`${upstream.registry}/${upstream.repository}`, digest)
    const origin = resolver.blobOrigin(upstream, digest, known?.sizeBytes)
    return swarm.openLayer({ digest, origin, size: known?.sizeBytes, mediaType: known?.mediaType, topic: known?.topic }, { signal })
  }

  async #answerFrom(blob: OpenBlob, request: MirrorRequest, validators: Readonly<Record<string, string>>, etag: string): Promise<MirrorAnswer> {
    const { sizeBytes, mediaType } = blob
    if (mediaType !== undefined && manifestMediaTypes.includes(mediaType)) {
      await blob.close()
      return refusalAnswer(new Refusal(404, 'BLOB_UNKNOWN', 'that is a manifest'))
    }
    const plan = planRange({ range: request.header('range'), ifRange: request.header('if-range') }, etag, sizeBytes)
    const answer = (status: number, length: number, headers: Record<string, string>, chunks: () => AsyncIterable<Uint8Array>): Promise<MirrorAnswer> =>
      this.#begun(blob, request, { status, headers: { ...validators, 'content-length': String(length), ...headers } }, chunks)
    const stream = (range?: ByteRange): AsyncIterable<Uint8Array> => blob.stream(range, { signal: request.signal, reuse: request.sendsInTurn })
    switch (plan.kind) {
      case 'none':
        await blob.close()
        return refusalAnswer(new Refusal(416, 'SIZE_INVALID', 'the range lies beyond the blob', { 'content-range': printContentRange(undefined, sizeBytes) }))
      case 'whole':
        return answer(200, sizeBytes, { 'content-type': contentType }, () => stream())
      case 'one': {
        const { range } = plan
        const headers = { 'content-type': contentType, 'content-range': printContentRange(range, sizeBytes) }
        return answer(206, range.length, headers, () => stream(range))
      }
      case 'several': {
        const multipart = planMultipart(plan.ranges, contentType, sizeBytes, randomBytes(16).toString('hex'))
        return answer(206, multipart.contentLength, { 'content-type': multipart.contentType }, async function* () {
          for (const { header, range } of multipart.parts) {
            yield header
            yield* stream(range)
          }
          yield multipart.end
        })
      }
    }
  }

  /** The first byte is here before the answer begins: what fails until then can still be said. */
  async #begun(
    blob: OpenBlob,
    { method, signal }: MirrorRequest,
    answer: Omit<MirrorAnswer, 'body'>,
    chunks: () => AsyncIterable<Uint8Array>,
  ): Promise<MirrorAnswer> {
    if (method === 'HEAD') {
      await blob.close()
      return answer
    }
    if (blob.sizeBytes <= verifiedFirstBytes) await blob.completed({ signal })
    const iterator = chunks()[Symbol.asyncIterator]()
    const first = await iterator.next()
    return { ...answer, body: continued(blob, first, iterator) }
  }
}

async function* continued(blob: OpenBlob, first: IteratorResult<Uint8Array>, rest: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    for (let next = first; !next.done; next = await rest.next()) yield next.value
  } finally {
    await rest.return?.()
    await blob.close()
  }
}

