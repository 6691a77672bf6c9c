import { StoreError, type StoreErrorCode } from '../core/errors.ts'

const codes: ReadonlySet<StoreErrorCode> = new Set(['ERR_STORE_NOT_FOUND', 'ERR_STORE_CORRUPT'])

/** Whether a failure says that the store had a blob and has it no more. */
export function isLost(error: unknown): boolean {
  return error instanceof StoreError && codes.has(error.code)
}
