import type { ByteRange } from '../core/byte-range.ts'
import { createHasher, type Digest } from '../core/digest.ts'
import { seededRandom } from '../core/random.ts'

/**
 * The bytes of a blob, made when they are asked for.
 * @public
 */
export interface BlobContent {
  readonly sizeBytes: number
  readonly digest: Digest
  /** The bytes of a range, which lies inside the blob. */
  read(range: ByteRange): Uint8Array
}

const blockBytes = 4096
const patternBytes = 16 * blockBytes
const hashStepBytes = 256 * blockBytes

/**
 * A blob whose every byte is a function of a seed and its offset, at the cost of a copy: a large one needs no memory,
 * and a test can check each delivered byte at its own place. Its blocks of 4 KiB all differ, so pieces do too; it
 * does not compress to nothing.
 *
 * @param seed - the same seed and size make the same blob
 * @public
 */
export function seededContent(seed: number, sizeBytes: number): BlobContent {
  const random = seededRandom(seed)
  const pattern = Uint8Array.from({ length: patternBytes }, () => random.below(256))
  let digest: Digest | undefined
  const read = ({ offset, length }: ByteRange): Uint8Array => {
    const firstBlock = Math.floor(offset / blockBytes)
    const blockCount = Math.ceil((offset + length) / blockBytes) - firstBlock
    const blocks = new Uint8Array(Math.max(blockCount, 0) * blockBytes)
    const view = new DataView(blocks.buffer)
    for (let index = 0; index < blockCount; index++) {
      const block = firstBlock + index
      // 2654435761 is prime and near 2^32 / golden ratio: neighbours start far apart in the pattern.
      const start = Math.imul(block + 1, 2654435761) >>> 0
      const from = start % (patternBytes - blockBytes)
      blocks.set(pattern.subarray(from, from + blockBytes), index * blockBytes)
      view.setUint32((index + 1) * blockBytes - 4, block)
    }
    const skip = offset - firstBlock * blockBytes
    return blocks.subarray(skip, skip + length)
  }
  return {
    sizeBytes,
    read,
    get digest() {
      digest ??= hashAll(sizeBytes, read)
      return digest
    },
  }
}

/**
 * Bytes in memory as content.
 * @public
 */
export function contentOf(bytes: Uint8Array): BlobContent {
  const hasher = createHasher()
  hasher.update(bytes)
  const digest = hasher.digest()
  return {
    sizeBytes: bytes.byteLength,
    digest,
    read: ({ offset, length }) => bytes.subarray(offset, offset + length),
  }
}

function hashAll(sizeBytes: number, read: (range: ByteRange) => Uint8Array): Digest {
  const hasher = createHasher()
  for (let offset = 0; offset < sizeBytes; offset += hashStepBytes) {
    hasher.update(read({ offset, length: Math.min(hashStepBytes, sizeBytes - offset) }))
  }
  return hasher.digest()
}
