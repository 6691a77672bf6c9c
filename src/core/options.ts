import { RequestError } from './errors.ts'

/**
 * Lets a caller cancel. Every operation that waits takes one.
 * @public
 */
export interface AbortOptions {
  /** The call rejects with this signal's `reason` once it is aborted. */
  signal?: AbortSignal | undefined
}

/**
 * Checks a number that a user set.
 * @throws {@link RequestError} `ERR_REQUEST_OPTION` when it is not a number of at least `min`
 */
export function checkNumber(name: string, value: number, min = 0): number {
  if (typeof value === 'number' && value >= min) return value
  throw new RequestError('ERR_REQUEST_OPTION', `${name} is ${value}: give a number of at least ${min}`)
}
