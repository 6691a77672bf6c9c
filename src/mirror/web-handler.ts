import type { MirrorAnswer, MirrorRequest } from './mirror-answer.ts'

/**
 * Answers requests of the fetch API, as most frameworks can mount them.
 * @public
 */
export type WebHandler = (request: Request) => Promise<Response>

/** @param answer - rejects when the client has gone, only */
export function webHandler(answer: (request: MirrorRequest) => Promise<MirrorAnswer>): WebHandler {
  return async (request) => {
    const { pathname, search } = new URL(request.url)
    const { method, headers, signal } = request
    const made = await answer({ method, target: pathname + search, header: (name) => headers.get(name) ?? undefined, signal, sendsInTurn: false })
    const { status, body } = made
    return new Response(body && method !== 'HEAD' && status !== 304 ? streamOf(body) : null, { status, headers: { ...made.headers } })
  }
}

function streamOf(body: AsyncIterable<Uint8Array>): ReadableStream<Uint8Array<ArrayBuffer>> {
  const iterator = body[Symbol.asyncIterator]()
  return new ReadableStream<Uint8Array<ArrayBuffer>>(
    {
      async pull(controller) {
        try {
          const { done, value } = await iterator.next()
          if (done) controller.close()
          else controller.enqueue(ownBytes(value))
        } catch (error) {
          controller.error(error)
        }
      },
      async cancel() {
        await iterator.return?.()
      },
    },
    { highWaterMark: 0 },
  )
}

/** The fetch API takes no bytes that threads share; ours are not. */
function ownBytes(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return bytes.buffer instanceof ArrayBuffer ? new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength) : Uint8Array.from(bytes)
}
