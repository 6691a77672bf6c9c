import type { ByteRange } from '../../src/core/byte-range.ts'
import type { Origin } from '../../src/core/origin.ts'
import type { BlobContent } from '../../src/testing/seeded-content.ts'
import type { LabNode } from './lab-node.ts'

/** What is read, and how. */
export interface ReadInit {
  readonly node: LabNode
  readonly content: BlobContent
  readonly origin: Origin | undefined
  readonly private: boolean
  readonly how: 'fetch' | 'stream' | 'part'
  readonly signal?: AbortSignal | undefined
}

/** Reads a blob as a user would, and compares each byte with what stands at its place in the content. */
export class Oracle {
  /** What was not as it must be. */
  readonly violations: string[] = []
  deliveredBytes = 0
  readonly #mayLie: () => boolean

  /** @param mayLie - whether the origin has given wrong bytes */
  constructor(mayLie: () => boolean) {
    this.#mayLie = mayLie
  }

  /** @throws as the node does */
  async read({ node, content, origin, how, signal, ...facts }: ReadInit): Promise<void> {
    const layer = { digest: content.digest, size: content.sizeBytes, private: facts.private, ...(origin && { origin }) }
    if (how === 'stream') {
      await this.#check(node, content, { offset: 0, length: content.sizeBytes }, node.swarm.streamLayer(layer, { signal }))
      return
    }
    await using blob = await node.swarm.fetchLayer(layer, { signal })
    const range = how === 'part' ? partOf(content) : { offset: 0, length: content.sizeBytes }
    await this.#check(node, content, range, blob.stream(range, { signal }))
  }

  /**
   * A stream may give on what an origin gives before the whole is known to match; it says so then by not ending well. That is the only
   * way for wrong bytes to reach anybody.
   */
  async #check(node: LabNode, content: BlobContent, { offset, length }: ByteRange, chunks: AsyncIterable<Uint8Array>): Promise<void> {
    const wrong: string[] = []
    let at = offset
    for await (const chunk of chunks) {
      if (at + chunk.byteLength > offset + length) {
        this.violations.push(`I2: ${node.name} was given more than ${length} bytes of ${content.digest}`)
        return
      }
      const wanted = content.read({ offset: at, length: chunk.byteLength })
      if (Buffer.compare(chunk, wanted) !== 0) (this.#mayLie() ? wrong : this.violations).push(`I1: ${node.name} was given wrong bytes of ${content.digest} between ${at} and ${at + chunk.byteLength}`)
      at += chunk.byteLength
      this.deliveredBytes += chunk.byteLength
    }
    this.violations.push(...wrong)
    if (at !== offset + length) this.violations.push(`I2: ${node.name} was told that ${content.digest} ends after ${at - offset} of ${length} bytes`)
  }
}

/** Neither begins nor ends at a piece. */
function partOf({ sizeBytes }: BlobContent): ByteRange {
  const offset = Math.floor(sizeBytes / 3)
  return { offset, length: Math.ceil((sizeBytes - offset) / 2) }
}
