import type { FileHandle } from 'node:fs/promises'

interface Entry {
  readonly handle: Promise<FileHandle>
  users: number
  dropped: boolean
}

/** Files that stay open for the next reader, a bounded number of them. */
export class HandleCache {
  readonly #open: (path: string) => Promise<FileHandle>
  readonly #limit: number
  /** Least recently used first. */
  readonly #entries = new Map<string, Entry>()
  readonly #closing = new Set<Promise<void>>()

  constructor(open: (path: string) => Promise<FileHandle>, limit: number) {
    this.#open = open
    this.#limit = limit
  }

  /** Lends the file; it is not closed before `work` ends. */
  async use<Result>(path: string, work: (handle: FileHandle) => Promise<Result>): Promise<Result> {
    const entry = this.#entries.get(path) ?? { handle: this.#open(path), users: 0, dropped: false }
    this.#entries.delete(path)
    this.#entries.set(path, entry)
    entry.users++
    this.#shrink()
    try {
      return await work(await entry.handle)
    } catch (error) {
      // One that cannot be opened or read is not tried again.
      if (this.#entries.get(path) === entry) this.drop(path)
      throw error
    } finally {
      entry.users--
      this.#closeIfUnused(entry)
    }
  }

  /** Forgets the file; it is closed when its last reader has finished. */
  drop(path: string): void {
    const entry = this.#entries.get(path)
    if (!entry) return
    this.#entries.delete(path)
    entry.dropped = true
    this.#closeIfUnused(entry)
  }

  async close(): Promise<void> {
    for (const path of this.#entries.keys()) this.drop(path)
    await Promise.all(this.#closing)
  }

  #shrink(): void {
    for (const [path, { users }] of this.#entries) {
      if (this.#entries.size <= this.#limit) return
      if (users === 0) this.drop(path)
    }
  }

  #closeIfUnused(entry: Entry): void {
    if (!entry.dropped || entry.users > 0) return
    const closing = entry.handle
      .then((handle) => handle.close())
      // A file that was only read from, or never opened, has nothing to lose at its end.
      .catch(() => {})
      .finally(() => this.#closing.delete(closing))
    this.#closing.add(closing)
  }
}
