import { maxManifestBytes } from '../core/descriptor.ts'
import type { Digest } from '../core/digest.ts'
import type { BitfieldMessage } from '../wire/messages.ts'
import type { BlobFetcher } from './blob-fetcher.ts'
import type { BlobRelay } from './session-table.ts'
import { emptyCopy, type LinkEntry, type SwarmContext } from './swarm-context.ts'

/** Blobs that are loaded for others at once; who asks for more is told that they are not here. */
const maxRelayed = 64
/** How long who does not know a blob's size waits for our answer. */
const sizeMs = 1500
/** What nobody had is not looked for again so soon. */
const missingForMs = 2000

interface Loading {
  /** Its session is open: peers can be told of pieces as they come. */
  readonly started: Promise<void>
  /** Whether the blob is here now. */
  readonly done: Promise<boolean>
}

/**
 * A supernode loads for itself what it is asked for and does not have, from whoever it is linked to: so it joins networks that
 * cannot reach each other.
 */
export class Relay implements BlobRelay {
  readonly #context: SwarmContext
  readonly #blobs: BlobFetcher
  readonly #loading = new Map<Digest, Loading>()
  readonly #missing = new Map<Digest, number>()
  readonly #signal: AbortSignal

  constructor(context: SwarmContext, blobs: BlobFetcher, signal: AbortSignal) {
    this.#context = context
    this.#blobs = blobs
    this.#signal = signal
  }

  wanted(entry: LinkEntry, message: BitfieldMessage, again: () => void): void {
    const { digest, sizeBytes } = message
    const now = this.#context.clock.monotonicMs()
    const isMissing = now < (this.#missing.get(digest) ?? 0)
    if (isMissing || (!this.#loading.has(digest) && this.#loading.size >= maxRelayed)) {
      entry.link.send(emptyCopy(digest, sizeBytes))
      return
    }
    const { started, done } = this.#loading.get(digest) ?? this.#load(digest, sizeBytes)
    const refuse = (): void => entry.link.send(emptyCopy(digest, sizeBytes))
    if (sizeBytes > 0) return void Promise.race([started.then(() => true), done]).then((open) => (open ? again() : refuse()))
    const late = new Promise<boolean>((resolve) => this.#context.clock.after(sizeMs, () => resolve(false)))
    void Promise.race([done, late]).then((here) => (here ? again() : refuse()))
  }

  #load(digest: Digest, sizeBytes: number): Loading {
    const { promise: started, resolve } = Promise.withResolvers<void>()
    const size = sizeBytes > 0 ? { size: sizeBytes } : { maxBytes: maxManifestBytes }
    const done = this.#blobs
      .fetch(
        { digest, topic: digest, alone: true, ...size },
        { signal: this.#signal, onProgress: ({ type }) => (type === 'blob:started' ? resolve() : undefined) },
      )
      .then(
        async (blob) => {
          await blob.close()
          return true
        },
        (error: unknown) => {
          this.#context.logger.info('a blob could not be loaded for others', { digest, error })
          this.#missing.set(digest, this.#context.clock.monotonicMs() + missingForMs)
          const [oldest] = this.#missing.keys()
          if (this.#missing.size > maxRelayed && oldest) this.#missing.delete(oldest)
          return false
        },
      )
      .finally(() => this.#loading.delete(digest))
    const loading = { started, done }
    this.#loading.set(digest, loading)
    return loading
  }
}
