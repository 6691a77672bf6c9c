import { randomUUID } from 'node:crypto'
import { readdir, readFile, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { digestHex, type Digest } from '../core/digest.ts'
import type { StoreDirectory } from './fs-directory.ts'
import { errnoOf, unlessAbsent } from './fs-error.ts'
import type { Owners, OwnerState } from './fs-owners.ts'
import { bytesName, journalName } from './fs-scratch-file.ts'
import { decodeJournal, type Journal } from './journal.ts'

const weekMs = 7 * 24 * 3_600_000

/** An unfinished blob in the directory, whoever it belongs to. */
export interface FoundPart {
  /** The directory that holds its bytes and its journal. */
  readonly path: string
  /** Hex digits of the digest, or `import` for bytes that nobody resumes. */
  readonly key: string
  readonly ownerId: string
  readonly owner: OwnerState
  /** `undefined` when there is none, or none that we can read, or no bytes of which it speaks. */
  readonly journal: Journal | undefined
}

/**
 * The directory of all unfinished blobs, ours and those of other processes:
 * `parts/<hex>.<owner>.<uuid>/`, each with its bytes and its journal.
 */
export class PartsDirectory {
  readonly #root: StoreDirectory
  readonly #owners: Owners

  constructor(root: StoreDirectory, owners: Owners) {
    this.#root = root
    this.#owners = owners
  }

  /**
   * A directory for a part of ours that is not there yet. Names never come twice: of those who move one part, one
   * succeeds.
   */
  newPath(digest: Digest | undefined): string {
    const key = digest === undefined ? 'import' : digestHex(digest)
    return this.#root.join('parts', `${key}.${this.#owners.ownId}.${randomUUID()}`)
  }

  /** Parts of a blob, or of all. Those of ours that are open are among them. */
  async find(digest?: Digest): Promise<FoundPart[]> {
    const names = await readdir(this.#root.join('parts'))
    const found: FoundPart[] = []
    for (const name of names) {
      const parsed = parseName(name)
      if (!parsed || (digest !== undefined && parsed.key !== digestHex(digest))) continue
      found.push(await this.#inspect(name, parsed))
    }
    return found
  }

  /** Removes what nobody will come back for, and reports what is not ours. */
  async tidy(): Promise<void> {
    const { logger } = this.#root
    const directory = await this.#root.make('parts')
    const needed = new Set([this.#owners.ownId])
    for (const name of await readdir(directory)) {
      const path = join(directory, name)
      const parsed = parseName(name)
      if (!parsed) {
        logger.warn('a file in the store is not ours and was left alone', { path })
        continue
      }
      const part = await this.#inspect(name, parsed)
      const useless = part.owner === 'dead' && !part.journal
      if (useless || (part.owner !== 'alive' && (await this.#isOld(path))))
        await rm(path, { recursive: true, force: true })
      else needed.add(part.ownerId)
    }
    await this.#forgetOwners(needed)
  }

  async #forgetOwners(needed: ReadonlySet<string>): Promise<void> {
    for (const id of await this.#owners.list()) {
      if (!needed.has(id) && (await this.#owners.stateOf(id)) !== 'alive')
        await this.#owners.forget(id)
    }
  }

  async #inspect(name: string, { key, ownerId }: ParsedName): Promise<FoundPart> {
    const path = this.#root.join('parts', name)
    const owner = await this.#owners.stateOf(ownerId)
    const journal = await readJournal(join(path, journalName))
    const bytes = await unlessAbsent(stat(join(path, bytesName)))
    const isUsable =
      bytes !== undefined && journal !== undefined && digestHex(journal.digest) === key
    return { path, key, ownerId, owner, journal: isUsable ? journal : undefined }
  }

  async #isOld(path: string): Promise<boolean> {
    const found =
      (await unlessAbsent(stat(join(path, journalName)))) ?? (await unlessAbsent(stat(path)))
    return found !== undefined && this.#root.clock.wallMs() - found.mtimeMs > weekMs
  }
}

interface ParsedName {
  readonly key: string
  readonly ownerId: string
}

function parseName(name: string): ParsedName | undefined {
  const [, key, ownerId] =
    /^([0-9a-f]{64}|import)\.([0-9a-f-]{36})\.[0-9a-f-]{36}$/.exec(name) ?? []
  return key !== undefined && ownerId !== undefined ? { key, ownerId } : undefined
}

async function readJournal(path: string): Promise<Journal | undefined> {
  try {
    return decodeJournal(await readFile(path))
  } catch (error) {
    const errno = errnoOf(error)
    if (errno === 'ENOENT' || errno === 'ENOTDIR') return undefined
    throw error
  }
}
