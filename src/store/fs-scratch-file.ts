import { open, rm, type FileHandle } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Digest } from '../core/digest.ts'
import { StoreError } from '../core/errors.ts'
import { pieceRange, type PieceLayout } from '../core/piece-layout.ts'
import { whileDoing } from './fs-error.ts'
import { readFully, syncDirectory, writeAll } from './fs-io.ts'
import {
  encodeJournalHeader,
  encodeJournalRecords,
  type JournalRecord,
  type PartState,
} from './journal.ts'
import type { ScratchFile, ScratchPart } from './scratch.ts'

/** Name of the bytes inside the directory of a part. */
export const bytesName = 'bytes'
/** Name of the journal beside them; there is none before the first record. */
export const journalName = 'journal'

/** The bytes of an unfinished blob, in a directory that is deleted with them. */
export class FsScratchFile implements ScratchFile {
  readonly path: string
  protected readonly layout: PieceLayout
  protected readonly bytes: FileHandle

  constructor(path: string, layout: PieceLayout, bytes: FileHandle) {
    this.path = path
    this.layout = layout
    this.bytes = bytes
  }

  async write(piece: number, chunks: readonly Uint8Array[]): Promise<void> {
    const { offset } = pieceRange(this.layout, piece)
    await whileDoing('writing a piece', () => writeAll(this.bytes, chunks, offset))
  }

  async readInto(target: Uint8Array, offset: number): Promise<void> {
    const filled = await whileDoing('reading a piece back', () =>
      readFully(this.bytes, target, offset),
    )
    if (filled === target.byteLength) return
    throw new StoreError(
      'ERR_STORE_CORRUPT',
      `${this.path} has been cut short: something else writes to it`,
    )
  }

  async sync(): Promise<void> {
    await whileDoing('syncing pieces', () => this.bytes.datasync())
  }

  async remove(): Promise<void> {
    await whileDoing('removing an unfinished blob', async () => {
      try {
        await this.closeFiles()
      } finally {
        await rm(dirname(this.path), { recursive: true, force: true })
      }
    })
  }

  protected async closeFiles(): Promise<void> {
    await this.bytes.close()
  }
}

/** Where a journal stands. */
export interface OpenJournal {
  readonly file: FileHandle
  /** Where the next record goes. */
  endBytes: number
}

/** What a part is opened with. */
export interface FsScratchPartInit {
  /** Where its bytes are. */
  readonly path: string
  readonly digest: Digest
  readonly layout: PieceLayout
  readonly bytes: FileHandle
  readonly journal: OpenJournal | undefined
  readonly state: PartState
  /** Hears when the files are closed. */
  readonly ended: () => void
}

/** {@link FsScratchFile} with a journal. */
export class FsScratchPart extends FsScratchFile implements ScratchPart {
  readonly state: PartState
  readonly #header: Uint8Array
  readonly #ended: () => void
  #journal: OpenJournal | undefined

  constructor(init: FsScratchPartInit) {
    super(init.path, init.layout, init.bytes)
    this.state = init.state
    this.#header = encodeJournalHeader(init.digest, init.layout)
    this.#journal = init.journal
    this.#ended = init.ended
  }

  override async sync(records: readonly JournalRecord[] = []): Promise<void> {
    await super.sync()
    if (records.length > 0) await whileDoing('writing the journal', () => this.#append(records))
  }

  async close(clean: boolean): Promise<void> {
    const journal = this.#journal
    if (!journal) return this.remove()
    try {
      if (clean) await whileDoing('writing the journal', () => this.#append([{ type: 'clean' }]))
    } finally {
      await whileDoing('closing an unfinished blob', () => this.closeFiles()).finally(this.#ended)
    }
  }

  override async remove(): Promise<void> {
    await super.remove().finally(this.#ended)
  }

  protected override async closeFiles(): Promise<void> {
    try {
      await super.closeFiles()
    } finally {
      await this.#journal?.file.close()
    }
  }

  async #append(records: readonly JournalRecord[]): Promise<void> {
    const journal = this.#journal ?? (await this.#create())
    const bytes = encodeJournalRecords(records, this.#header, journal.endBytes)
    await writeAll(journal.file, [bytes], journal.endBytes)
    await journal.file.datasync()
    journal.endBytes += bytes.byteLength
  }

  /** Most blobs are complete before there is anything to keep: the journal begins with its first record. */
  async #create(): Promise<OpenJournal> {
    const directory = dirname(this.path)
    const file = await open(join(directory, journalName), 'wx', 0o600)
    this.#journal = { file, endBytes: this.#header.byteLength }
    await writeAll(file, [this.#header], 0)
    await file.datasync()
    await syncDirectory(directory)
    await syncDirectory(dirname(directory))
    return this.#journal
  }
}
