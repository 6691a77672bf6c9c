import type { Clock } from '../core/clock.ts'
import type { JournalRecord } from './journal.ts'
import type { ScratchPart } from './scratch.ts'

/** What a crash may cost: each sync holds up the disk, so pieces wait for it together. */
const syncEveryBytes = 64 * 1024 * 1024
const syncEveryMs = 2000

/** Brings what is recorded of a part to its journal in batches, always after the bytes that it speaks of. */
export class JournalWriter {
  readonly #scratch: ScratchPart
  readonly #clock: Clock
  #records: JournalRecord[] = []
  #unsyncedBytes = 0
  #cancelTimer: (() => void) | undefined
  /** Syncs follow each other; never rejects. */
  #syncs: Promise<void> = Promise.resolve()
  #failure: unknown

  constructor(scratch: ScratchPart, clock: Clock) {
    this.#scratch = scratch
    this.#clock = clock
  }

  /** What went wrong for good: after a failed sync the disk may have thrown away what it had not written. */
  get failure(): unknown {
    return this.#failure
  }

  /** Notes a failure that leaves the bytes in doubt. */
  fail(error: unknown): void {
    this.#failure ??= error
  }

  /**
   * To be journalled soon.
   * @param bytes - how many were written for it
   */
  record(record: JournalRecord, bytes = 0): void {
    this.#records.push(record)
    this.#unsyncedBytes += bytes
    const sync = (): void => void this.flush().catch(() => {})
    if (this.#unsyncedBytes >= syncEveryBytes) sync()
    else this.#cancelTimer ??= this.#clock.after(syncEveryMs, sync)
  }

  /** Once it resolves, all that was recorded survives a crash. */
  flush(): Promise<void> {
    const sync = this.#syncs.then(() => this.#sync())
    this.#syncs = sync.catch(() => {})
    return sync
  }

  /** Makes the bytes durable without a word in the journal: for the blob that needs none any more. */
  async syncBytes(): Promise<void> {
    await this.#syncs
    if (this.#failure !== undefined) throw this.#failure
    await this.#scratch.sync().catch((error: unknown) => {
      this.fail(error)
      throw error
    })
  }

  /** Starts no sync by itself any more; resolves when none is under way. */
  async stop(): Promise<void> {
    this.#stopTimer()
    await this.#syncs
  }

  async #sync(): Promise<void> {
    this.#stopTimer()
    const records = this.#records
    this.#records = []
    this.#unsyncedBytes = 0
    if (this.#failure !== undefined) throw this.#failure
    if (records.length === 0) return
    try {
      await this.#scratch.sync(records)
    } catch (error) {
      this.fail(error)
      throw error
    }
  }

  #stopTimer(): void {
    this.#cancelTimer?.()
    this.#cancelTimer = undefined
  }
}
