import { randomBytes } from 'node:crypto'
import type { ByteRange } from '../core/byte-range.ts'
import type { Digest } from '../core/digest.ts'
import { repositoryOf } from '../core/reference.ts'
import { printContentRange } from '../oci/content-range.ts'
import { manifestMediaTypes } from '../oci/image-manifest.ts'
import type { OpenBlob } from '../swarm/open-blob.ts'
import type { OpenRequest } from '../swarm/transfer.ts'
import { refusalAnswer, refusalOf } from './error-answer.ts'
import { matches, type HandlerInit, type Place } from './manifest-handler.ts'
import type { MirrorAnswer, MirrorRequest } from './mirror-answer.ts'
import { planMultipart, planRange } from './range-plan.ts'
import { Refusal } from './refusal.ts'
import type { ServedBlob } from './served-images.ts'

const contentType = 'application/octet-stream'
/** Blobs of up to this size are whole and verified before their first byte leaves: even an origin's wrong bytes stay here then. */
const verifiedFirstBytes = 64 * 1024 * 1024
const notBlob = new Refusal(404, 'BLOB_UNKNOWN', 'that is a manifest')

/** Answers for blobs, and parts of them, while they load. */
export class BlobHandler {
  readonly #init: HandlerInit

  constructor(init: HandlerInit) {
    this.#init = init
  }

  async answer(request: MirrorRequest, place: Place, digest: Digest): Promise<MirrorAnswer> {
    const etag = `"${digest}"`
    const validators = { etag, 'docker-content-digest': digest, 'accept-ranges': 'bytes' }
    const known = this.#init.served.get(repositoryOf(place), digest)
    const isUnchanged = matches(request.header('if-none-match'), etag)
    try {
      if (isUnchanged || request.method === 'HEAD') {
        const found = await this.#init.swarm.statLayer(layerOf(place, digest, known), request)
        if (isManifest(found, known)) return refusalAnswer(notBlob)
        return isUnchanged ? { status: 304, headers: validators } : { status: 200, headers: { ...validators, ...bodyHeaders(found.sizeBytes) } }
      }
      const blob = await this.#init.swarm.openLayer(layerOf(place, digest, known), request)
      try {
        if (!isManifest(blob, known)) return await this.#answerFrom(blob, request, validators, etag)
        await blob.close()
        return refusalAnswer(notBlob)
      } catch (error) {
        await blob.close()
        throw error
      }
    } catch (error) {
      if (request.signal.aborted) throw error
      return refusalAnswer(refusalOf(error, 'BLOB_UNKNOWN'))
    }
  }

  async #answerFrom(blob: OpenBlob, request: MirrorRequest, validators: Readonly<Record<string, string>>, etag: string): Promise<MirrorAnswer> {
    const { sizeBytes } = blob
    const plan = planRange({ range: request.header('range'), ifRange: request.header('if-range') }, etag, sizeBytes)
    const answer = (status: number, length: number, headers: Record<string, string>, chunks: () => AsyncIterable<Uint8Array>): Promise<MirrorAnswer> =>
      this.#begun(blob, request, { status, headers: { ...validators, ...bodyHeaders(length), ...headers } }, chunks)
    const stream = (range?: ByteRange): AsyncIterable<Uint8Array> => blob.stream(range, { signal: request.signal, reuse: request.sendsInTurn })
    switch (plan.kind) {
      case 'none':
        await blob.close()
        return refusalAnswer(new Refusal(416, 'SIZE_INVALID', 'the range lies beyond the blob', { 'content-range': printContentRange(undefined, sizeBytes) }))
      case 'whole':
        return answer(200, sizeBytes, {}, () => stream())
      case 'one': {
        const { range } = plan
        const headers = { 'content-range': printContentRange(range, sizeBytes) }
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
    { signal }: MirrorRequest,
    answer: Omit<MirrorAnswer, 'body'>,
    chunks: () => AsyncIterable<Uint8Array>,
  ): Promise<MirrorAnswer> {
    if (blob.sizeBytes <= verifiedFirstBytes) await blob.completed({ signal })
    const iterator = chunks()[Symbol.asyncIterator]()
    const first = await iterator.next()
    return { ...answer, body: continued(blob, first, iterator) }
  }
}

function layerOf({ resolver, ...upstream }: Place, digest: Digest, known: ServedBlob | undefined): OpenRequest {
  const origin = resolver.blobOrigin(upstream, digest, known?.sizeBytes)
  return { digest, origin, size: known?.sizeBytes, mediaType: known?.mediaType, topic: known?.topic }
}

/** Registries keep manifests apart from blobs; but what a manifest that was served calls a blob of its own is one. */
function isManifest({ mediaType }: { readonly mediaType?: string | undefined }, known: ServedBlob | undefined): boolean {
  return known === undefined && mediaType !== undefined && manifestMediaTypes.includes(mediaType)
}

function bodyHeaders(length: number): Record<string, string> {
  return { 'content-type': contentType, 'content-length': String(length) }
}

async function* continued(blob: OpenBlob, first: IteratorResult<Uint8Array>, rest: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    for (let next = first; !next.done; next = await rest.next()) yield next.value
  } finally {
    await rest.return?.()
    await blob.close()
  }
}

