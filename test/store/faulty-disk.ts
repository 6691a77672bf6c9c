import { constants } from 'node:fs'
import type * as promises from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'

type FileSystem = typeof promises

/**
 * What goes wrong with one operation on files: an error of the system, or a write that takes only some of the bytes.
 */
export type Fault = 'EIO' | 'ENOSPC' | 'EDQUOT' | 'EROFS' | 'EACCES' | 'EMFILE' | 'short write'

/** Which operation fails, and how many there were: set by tests. */
export interface FaultPlan {
  /** Counted from 1; 0 for none. */
  failAt: number
  fault: Fault
  count: number
  /** What failed in the end. */
  failed: string | undefined
  /** Files that are open now. */
  openFiles: number
  /** Copies of files share their blocks, as some file systems have it. */
  canClone: boolean
}

export const plan: FaultPlan = {
  failAt: 0,
  fault: 'EIO',
  count: 0,
  failed: undefined,
  openFiles: 0,
  canClone: false,
}

const operations = [
  'chmod',
  'copyFile',
  'lstat',
  'mkdir',
  'open',
  'opendir',
  'readdir',
  'readFile',
  'rename',
  'rm',
  'stat',
  'utimes',
] as const
const handleOperations: ReadonlySet<PropertyKey> = new Set([
  'close',
  'datasync',
  'read',
  'stat',
  'sync',
  'truncate',
  'writev',
])

/** `node:fs/promises`, with the faults of {@link plan}; for `vi.mock`. */
export function faultyDisk(disk: FileSystem): FileSystem {
  const faulty: Record<string, unknown> = { ...disk }
  for (const name of operations) {
    const real: (...args: never[]) => Promise<unknown> = disk[name]
    faulty[name] = async (...args: never[]) => {
      count(name)
      const result = await real(...withoutForce(name, args))
      if (name !== 'open') return result
      plan.openFiles++
      return faultyHandle(result as FileHandle)
    }
  }
  return faulty as unknown as FileSystem
}

function faultyHandle(handle: FileHandle): FileHandle {
  return new Proxy(handle, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target)
      if (typeof value !== 'function') return value
      return async (...args: unknown[]) => {
        if (name === 'close') {
          plan.openFiles--
          await target.close()
          return count('close')
        }
        if (handleOperations.has(name) && count(String(name)) === 'short write') {
          const [chunks, position] = args as [Uint8Array[], number]
          const first = chunks[0] ?? new Uint8Array(0)
          return target.writev([first.subarray(0, Math.ceil(first.byteLength / 3))], position)
        }
        return Reflect.apply(value, target, args)
      }
    },
  })
}

function count(name: string): Fault | undefined {
  plan.count++
  if (plan.count !== plan.failAt) return undefined
  plan.failed = name
  if (plan.fault === 'short write') return name === 'writev' ? plan.fault : undefined
  throw Object.assign(new Error(`${plan.fault}: made up by a test, ${name}`), {
    code: plan.fault,
    syscall: name,
  })
}

/** This machine may not be able to share blocks; a copy looks the same. */
function withoutForce(name: string, args: never[]): never[] {
  if (name !== 'copyFile' || !plan.canClone) return args
  const [from, to] = args
  return [from, to, constants.COPYFILE_EXCL] as never[]
}
