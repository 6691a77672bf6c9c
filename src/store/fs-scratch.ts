import { constants } from 'node:fs'
import { copyFile, mkdir, open, rename, rm, type FileHandle } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { parseDigest, type Digest } from '../core/digest.ts'
import { pieceLayout, type PieceLayout } from '../core/piece-layout.ts'
import { StoreDirectory, type FsStoreOptions } from './fs-directory.ts'
import { errnoOf, toStoreError, unlessAbsent, whileDoing } from './fs-error.ts'
import { openToRead } from './fs-io.ts'
import { fsNotes } from './fs-notes.ts'
import { Owners } from './fs-owners.ts'
import { PartsDirectory, type FoundPart } from './fs-parts.ts'
import { copyProvedPieces, endOfStored } from './fs-proved-pieces.ts'
import {
  bytesName,
  FsScratchFile,
  FsScratchPart,
  journalName,
  type FsScratchPartInit,
} from './fs-scratch-file.ts'
import { bytesOf, emptyPartState, replayJournal, type Journal, type PartState } from './journal.ts'
import {
  partInUse,
  type BlobNotes,
  type LeftPart,
  type Scratch,
  type ScratchFile,
  type ScratchPart,
} from './scratch.ts'

/** What a file system answers that cannot share blocks between files. */
const cannotClone: ReadonlySet<string | undefined> = new Set([
  'ENOTSUP',
  'EOPNOTSUPP',
  'EXDEV',
  'EINVAL',
  'ENOSYS',
  'ENOTTY',
])

/**
 * Keeps unfinished blobs as files, so that they can be resumed after a crash. Several processes may use one
 * directory: each writes to files of its own, and takes over what another has left behind.
 *
 * @param directory - as for {@link fsBackend}, and possibly the same
 * @public
 */
export function fsScratch(directory: string, options: FsStoreOptions = {}): Scratch {
  return new FsScratch(directory, options)
}

class FsScratch implements Scratch {
  readonly notes: BlobNotes
  readonly #root: StoreDirectory
  readonly #owners: Owners
  readonly #parts: PartsDirectory
  readonly #open = new Set<Digest>()
  /** Directories of the parts that we write to. */
  readonly #openPaths = new Set<string>()

  constructor(directory: string, options: FsStoreOptions) {
    this.#root = new StoreDirectory(directory, options, () => this.#prepare())
    this.notes = fsNotes(this.#root)
    this.#owners = new Owners(this.#root)
    this.#parts = new PartsDirectory(this.#root, this.#owners)
  }

  async open(digest: Digest, sizeBytes: number): Promise<ScratchPart> {
    parseDigest(digest)
    if (this.#open.has(digest)) throw partInUse(digest)
    this.#open.add(digest)
    try {
      await this.#root.ready()
      return await whileDoing(`opening the unfinished copy of ${digest}`, () =>
        this.#openPart(digest, pieceLayout(sizeBytes)),
      )
    } catch (error) {
      this.#open.delete(digest)
      throw error
    }
  }

  async temporary(layout: PieceLayout): Promise<ScratchFile> {
    await this.#root.ready()
    return whileDoing('opening a temporary file', async () => {
      const { path, bytes } = await this.#newPart(undefined, (to) => open(to, 'wx+', 0o600))
      return new FsScratchFile(path, layout, bytes)
    })
  }

  async clone(from: string, sizeBytes: number): Promise<ScratchFile | undefined> {
    await this.#root.ready()
    try {
      const { path, bytes } = await this.#newPart(undefined, async (to) => {
        await copyFile(from, to, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE_FORCE)
        return openToRead(to)
      })
      const file = new FsScratchFile(path, pieceLayout(sizeBytes), bytes)
      const found = await bytes.stat().catch(() => undefined)
      if (found?.size === sizeBytes) return file
      await file.remove()
      return undefined
    } catch (error) {
      if (cannotClone.has(errnoOf(error))) return undefined
      throw toStoreError(error, `copying ${from}`)
    }
  }

  async *list(): AsyncGenerator<LeftPart> {
    await this.#root.ready()
    const listed = new Set<Digest>()
    for (const part of await whileDoing('listing unfinished blobs', () => this.#left())) {
      const { digest, layout } = part.journal
      const { stored } = part.state
      if (listed.has(digest)) continue
      listed.add(digest)
      yield { digest, sizeBytes: layout.sizeBytes, storedBytes: bytesOf(stored, layout) }
    }
  }

  async remove(digest: Digest): Promise<void> {
    await this.#root.ready()
    await whileDoing(`removing the unfinished copy of ${digest}`, async () => {
      const paths = (await this.#left(digest)).map(({ path }) => path)
      for (const path of paths) await rm(path, { recursive: true, force: true })
    })
  }

  async close(): Promise<void> {
    if (!this.#root.used) return
    await this.#root.ready()
    await whileDoing('closing the scratch', async () => {
      const found = await this.#parts.find().catch(() => undefined)
      await this.#owners.leave(found?.some(({ ownerId }) => ownerId === this.#owners.ownId) ?? true)
    })
  }

  async #prepare(): Promise<void> {
    await this.#owners.join()
    try {
      await this.#parts.tidy()
    } catch (error) {
      await this.#owners.leave(false)
      throw error
    }
  }

  async #openPart(digest: Digest, layout: PieceLayout): Promise<ScratchPart> {
    for (const found of await this.#left(digest)) {
      if (found.journal.layout.sizeBytes !== layout.sizeBytes) continue
      try {
        const part = this.#isAbandoned(found)
          ? await this.#takeOver(found)
          : await this.#copy(found)
        if (part) return part
      } catch (error) {
        this.#root.logger.warn('an unfinished blob could not be resumed', { digest, error })
      }
    }
    return this.#create(digest, layout)
  }

  /** Parts that may be resumed, the fullest first. */
  async #left(digest?: Digest): Promise<ReadablePart[]> {
    const found = await this.#parts.find(digest)
    return found
      .flatMap(({ journal, ...part }) =>
        journal ? { ...part, journal, state: replayJournal(journal) } : [],
      )
      .filter((part) => this.#isAbandoned(part) || part.owner === 'silent')
      .toSorted((a, b) => b.state.stored.count - a.state.stored.count)
  }

  /** Whether nobody can write to it any more: only then may its file become ours. */
  #isAbandoned(part: ReadablePart): boolean {
    if (part.ownerId === this.#owners.ownId) return !this.#openPaths.has(part.path)
    return part.state.clean || part.owner === 'dead'
  }

  async #create(digest: Digest, layout: PieceLayout): Promise<FsScratchPart> {
    const files = await this.#newPart(digest, (to) => open(to, 'wx+', 0o600))
    return this.#part({
      ...files,
      digest,
      layout,
      journal: undefined,
      state: emptyPartState(layout),
    })
  }

  /** Makes an abandoned part ours; `undefined` when another process was faster, or its bytes are gone. */
  async #takeOver({
    path: theirs,
    journal,
    state,
  }: ReadablePart): Promise<FsScratchPart | undefined> {
    const { digest, layout, endBytes } = journal
    const ours = this.#parts.newPath(digest)
    const moved = await unlessAbsent(rename(theirs, ours).then(() => true))
    if (!moved) return undefined
    const bytes = await unlessAbsent(open(join(ours, bytesName), 'r+'))
    if (!bytes) {
      await rm(ours, { recursive: true, force: true })
      return undefined
    }
    let file: FileHandle | undefined
    try {
      file = await open(join(ours, journalName), 'r+')
      const { size } = await bytes.stat()
      if (endOfStored(layout, state) > size) state.clean = false
      const journalFile = { file, endBytes }
      const path = join(ours, bytesName)
      const part = this.#part({ path, digest, layout, bytes, journal: journalFile, state })
      // A torn record at the end must not stand between those that follow.
      await file.truncate(endBytes)
      await part.sync([{ type: 'opened' }])
      return part
    } catch (error) {
      this.#openPaths.delete(ours)
      await Promise.allSettled([bytes.close(), file?.close()])
      throw error
    }
  }

  /** Whoever wrote it may only be paused: what can be proved is copied to a file that is ours. */
  async #copy({ path, journal, state }: ReadablePart): Promise<FsScratchPart | undefined> {
    const { digest, layout } = journal
    const from = await unlessAbsent(openToRead(join(path, bytesName)))
    if (!from) return undefined
    const part = await this.#create(digest, layout)
    try {
      await copyProvedPieces(from, layout, state, part)
    } catch (error) {
      await part.remove()
      throw error
    } finally {
      await from.close()
    }
    await rm(path, { recursive: true, force: true })
    return part
  }

  #part(files: Omit<FsScratchPartInit, 'ended'>): FsScratchPart {
    const directory = dirname(files.path)
    this.#openPaths.add(directory)
    const ended = (): void => {
      this.#openPaths.delete(directory)
      this.#open.delete(files.digest)
    }
    return new FsScratchPart({ ...files, ended })
  }

  /** Makes the directory of a new part, and the file for its bytes in it; if that fails, neither is left. */
  async #newPart(
    digest: Digest | undefined,
    openBytes: (path: string) => Promise<FileHandle>,
  ): Promise<{ path: string; bytes: FileHandle }> {
    const directory = this.#parts.newPath(digest)
    await mkdir(directory, { mode: 0o700 })
    const path = join(directory, bytesName)
    try {
      return { path, bytes: await openBytes(path) }
    } catch (error) {
      await rm(directory, { recursive: true, force: true })
      throw error
    }
  }
}

type ReadablePart = FoundPart & { readonly journal: Journal; readonly state: PartState }
