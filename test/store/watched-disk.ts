import type * as promises from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { dirname, join } from 'node:path'

type FileSystem = typeof promises

/** What a power cut would undo, as far as operations on files tell. */
export interface DiskState {
  /** Files with bytes, and directories with names, that were not synced since. */
  readonly unsynced: Set<string>
  /** What was given its name, or noted in a journal, before its bytes were synced. */
  readonly tooEarly: string[]
}

export const state: DiskState = { unsynced: new Set(), tooEarly: [] }

/** Files that are open, by the name that they have now. */
const opened = new Set<{ path: string }>()

/** `node:fs/promises`, telling {@link state} what happens; for `vi.mock`. */
export function watchedDisk(disk: FileSystem): FileSystem {
  const { unsynced, tooEarly } = state
  return {
    ...disk,
    async open(path, flags, mode) {
      const handle = await disk.open(path, flags, mode)
      if (String(flags).startsWith('w')) unsynced.add(dirname(String(path)))
      return watchedHandle(handle, String(path))
    },
    async mkdir(path: string, options?: { recursive?: boolean }) {
      const created = await disk.mkdir(path, options)
      if (!options?.recursive || created !== undefined) unsynced.add(dirname(path))
      return created
    },
    async copyFile(from, to, mode) {
      await disk.copyFile(from, to, mode)
      unsynced.add(String(to))
    },
    async rename(from, to) {
      await disk.rename(from, to)
      if (unsynced.has(String(from))) tooEarly.push(String(to))
      const moved = (path: string): string => path.replace(String(from), String(to))
      for (const path of Array.from(unsynced)) if (unsynced.delete(path)) unsynced.add(moved(path))
      for (const file of opened) file.path = moved(file.path)
      unsynced.add(dirname(String(to)))
    },
    async rm(path, options) {
      await disk.rm(path, options)
      for (const name of unsynced) if (name.startsWith(String(path))) unsynced.delete(name)
    },
  } as FileSystem
}

function watchedHandle(handle: FileHandle, path: string): FileHandle {
  const { unsynced, tooEarly } = state
  const file = { path }
  opened.add(file)
  const watched: Readonly<Record<string, () => void>> = {
    writev() {
      const isJournal = file.path.endsWith('/journal')
      if (isJournal && unsynced.has(join(dirname(file.path), 'bytes'))) tooEarly.push(file.path)
      unsynced.add(file.path)
    },
    truncate: () => void unsynced.add(file.path),
    datasync: () => void unsynced.delete(file.path),
    sync: () => void unsynced.delete(file.path),
    close: () => void opened.delete(file),
  }
  return new Proxy(handle, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target)
      if (typeof value !== 'function') return value
      return async (...args: unknown[]) => {
        const result: unknown = await Reflect.apply(value, target, args)
        watched[String(name)]?.()
        return result
      }
    },
  })
}
