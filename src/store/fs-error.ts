import { StoreError, type StoreErrorCode } from '../core/errors.ts'

const codes: Readonly<Record<string, StoreErrorCode>> = {
  ENOSPC: 'ERR_STORE_NO_SPACE',
  EDQUOT: 'ERR_STORE_NO_SPACE',
  EFBIG: 'ERR_STORE_NO_SPACE',
  EROFS: 'ERR_STORE_READ_ONLY',
  EACCES: 'ERR_STORE_READ_ONLY',
  EPERM: 'ERR_STORE_READ_ONLY',
}

const advice: Readonly<Partial<Record<StoreErrorCode, string>>> = {
  ERR_STORE_NO_SPACE: 'free some space, or set a lower quotaBytes so that old blobs make room',
  ERR_STORE_READ_ONLY: 'give this user the right to write there, or choose another directory',
  ERR_STORE_IO: 'check the disk',
}

/** The system's name of a failure (`ENOENT`), where it is one of the system's. */
export function errnoOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error) || !('syscall' in error)) return undefined
  return typeof error.code === 'string' ? error.code : undefined
}

/** A failure of the file system as a {@link StoreError}; any other one as it is. */
export function toStoreError(cause: unknown, doing: string): unknown {
  const errno = errnoOf(cause)
  if (errno === undefined) return cause
  const code = codes[errno] ?? 'ERR_STORE_IO'
  return new StoreError(code, `${doing} failed (${errno}): ${advice[code] ?? ''}`, { cause })
}

/** Waits for work on files; its failure says what was being done. */
export async function whileDoing<Result>(
  doing: string,
  work: () => Promise<Result>,
): Promise<Result> {
  try {
    return await work()
  } catch (cause) {
    throw toStoreError(cause, doing)
  }
}

/** Waits for work on files; `undefined` when there is nothing by that name. */
export async function unlessAbsent<Result>(work: Promise<Result>): Promise<Result | undefined> {
  try {
    return await work
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined
    throw error
  }
}
