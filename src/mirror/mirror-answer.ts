import { oneChunk } from '../oci/one-chunk.ts'

/** A request as the mirror sees it, whatever server it came in by. */
export interface MirrorRequest {
  readonly method: string
  /** As in the request line: path and query. */
  readonly target: string
  /** The value of a header, by its lower-case name. */
  readonly header: (name: string) => string | undefined
  /** Aborted when the client has gone. */
  readonly signal: AbortSignal
  /** Whether each chunk of a body has been sent by the time that the next one is asked for: its memory may be used again then. */
  readonly sendsInTurn: boolean
}

/** What it is answered with. */
export interface MirrorAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  /** As long as `content-length` says; one that fails must be cut, never ended. Not iterated for `HEAD`. */
  readonly body?: AsyncIterable<Uint8Array> | undefined
}

/** An answer of JSON text. */
export function jsonAnswer(status: number, text: string, headers: Readonly<Record<string, string>> = {}): MirrorAnswer {
  const body = Buffer.from(text)
  return { status, headers: { ...headers, 'content-type': 'application/json', 'content-length': String(body.byteLength) }, body: oneChunk(body) }
}
