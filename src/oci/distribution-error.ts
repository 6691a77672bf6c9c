import { OriginError, type OriginErrorCode } from '../core/errors.ts'
import { isRecord, parseJsonObject } from '../core/json.ts'
import type { Secret } from '../core/secret.ts'

/** Bytes of an error body that are read; what comes after says nothing new. */
export const maxErrorBodyBytes: number = 64 * 1024
const maxShownLength = 300

/**
 * Codes of the distribution specification that a pull can meet.
 * @see {@link https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#error-codes}
 */
export type DistributionErrorCode =
  | 'BLOB_UNKNOWN'
  | 'DENIED'
  | 'DIGEST_INVALID'
  | 'MANIFEST_INVALID'
  | 'MANIFEST_UNKNOWN'
  | 'NAME_INVALID'
  | 'NAME_UNKNOWN'
  | 'SIZE_INVALID'
  | 'TAG_INVALID'
  | 'TOOMANYREQUESTS'
  | 'UNAUTHORIZED'
  | 'UNAVAILABLE'
  | 'UNSUPPORTED'

const codeByDistributionCode: ReadonlyMap<string, OriginErrorCode> = new Map([
  ['BLOB_UNKNOWN', 'ERR_ORIGIN_NOT_FOUND'],
  ['DENIED', 'ERR_ORIGIN_DENIED'],
  ['MANIFEST_UNKNOWN', 'ERR_ORIGIN_NOT_FOUND'],
  ['NAME_UNKNOWN', 'ERR_ORIGIN_NOT_FOUND'],
  ['TOOMANYREQUESTS', 'ERR_ORIGIN_RATE'],
  ['UNAUTHORIZED', 'ERR_ORIGIN_AUTH'],
])

const codeByStatus: ReadonlyMap<number, OriginErrorCode> = new Map([
  [401, 'ERR_ORIGIN_AUTH'],
  [403, 'ERR_ORIGIN_DENIED'],
  [404, 'ERR_ORIGIN_NOT_FOUND'],
  [406, 'ERR_ORIGIN_TYPE'],
  [408, 'ERR_ORIGIN_UNAVAILABLE'],
  [410, 'ERR_ORIGIN_NOT_FOUND'],
  [416, 'ERR_ORIGIN_SIZE'],
  [425, 'ERR_ORIGIN_UNAVAILABLE'],
  [429, 'ERR_ORIGIN_RATE'],
])

const advice: Partial<Record<OriginErrorCode, string>> = {
  ERR_ORIGIN_AUTH: 'log in (docker login, podman login) or pass credentials',
  ERR_ORIGIN_DENIED: 'these credentials may not pull it',
  ERR_ORIGIN_NOT_FOUND: 'check the name, or log in if the repository is private',
  ERR_ORIGIN_RATE: 'too many requests; logging in may raise the limit',
}

/** An answer that is none of the statuses that were hoped for. */
export interface RefusedAnswer {
  readonly status: number
  /** From its `Retry-After`, in milliseconds. */
  readonly retryAfterMs?: number | undefined
  /** At most {@link maxErrorBodyBytes} of it. */
  readonly body: Uint8Array
  /** What was sent and must not come back in the message. */
  readonly secrets?: readonly Secret[] | undefined
}

/**
 * The error that an answer stands for.
 * @param what - what was asked of whom, for the message: `registry.example: team/app:1.2`
 */
export function refusalError(answer: RefusedAnswer, what: string): OriginError {
  const { status, retryAfterMs, secrets = [] } = answer
  const said = parseErrorBody(answer.body)
  const code = codeFor(status, said?.code)
  const words = said
    ? ` (${secrets.reduce((text, secret) => secret.hideIn(text), said.message || said.code)})`
    : ''
  const hint = advice[code]
  return new OriginError(code, `${what}: HTTP ${status}${words}${hint ? `; ${hint}` : ''}`, {
    status,
    retryAfterMs,
  })
}

function codeFor(status: number, said: string | undefined): OriginErrorCode {
  if (status >= 500) return 'ERR_ORIGIN_UNAVAILABLE'
  const code = codeByStatus.get(status)
  if (code) return code
  // A success or a redirect that nobody asked for is not an error's to explain.
  if (status < 400) return 'ERR_ORIGIN_TYPE'
  return codeByDistributionCode.get(said ?? '') ?? 'ERR_ORIGIN_DENIED'
}

/** The first error of an OCI error body, fit to be shown; `undefined` when it is none. */
export function parseErrorBody(body: Uint8Array): { code: string; message: string } | undefined {
  const errors = parseJsonObject(body.subarray(0, maxErrorBodyBytes))?.['errors']
  const first: unknown = Array.isArray(errors) ? errors[0] : undefined
  if (!isRecord(first)) return undefined
  const message = showable(first['message'])
  const code = showable(first['code'])
  return code || message ? { code, message } : undefined
}

/** An OCI error body. */
export function printErrorBody(code: DistributionErrorCode, message: string): string {
  return JSON.stringify({ errors: [{ code, message }] })
}

/** One short line: a registry's words end up in terminals and logs. */
function showable(text: unknown): string {
  return typeof text === 'string'
    ? text
        .slice(0, maxShownLength)
        .replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, ' ')
        .trim()
    : ''
}
