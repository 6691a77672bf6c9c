import { spawn } from 'node:child_process'
import type { Clock } from '../core/clock.ts'
import { RequestError } from '../core/errors.ts'
import type { AbortOptions } from '../core/options.ts'
import type { RegistryAuth } from './credential.ts'
import { passwordAuth } from './docker-config.ts'
import { parseJsonObject } from './json.ts'

/** A helper may ask a key ring, but not for longer than this, in milliseconds. */
const helperTimeoutMs = 10_000
const maxOutputBytes = 64 * 1024

/** What a helper needs. */
export interface HelperContext extends AbortOptions {
  /** Its environment; its `PATH` is where helpers are looked for. */
  readonly env: NodeJS.ProcessEnv
  readonly clock: Clock
}

/**
 * Asks `docker-credential-<helper> get` for the credentials of a server; `undefined` when it has none.
 *
 * @throws {@link RequestError} `ERR_REQUEST_OPTION` when it is not there, fails, is too slow, or says something else.
 * Nothing of what it said is in the message, for that may be a secret
 * @see {@link https://github.com/docker/docker-credential-helpers}
 */
export async function askHelper(
  helper: string,
  serverUrl: string,
  context: HelperContext,
): Promise<RegistryAuth | undefined> {
  const program = `docker-credential-${helper}`
  const { exitCode, output } = await run(program, serverUrl, context)
  if (exitCode !== 0) {
    if (/credentials not found/i.test(output.toString('utf8'))) return undefined
    throw failure(program, `it exits with code ${exitCode}; run it by hand to see why`)
  }
  return parseHelperAnswer(output, program)
}

/**
 * Reads what a credential helper says; `undefined` when it is that there are none.
 * @throws {@link RequestError} `ERR_REQUEST_OPTION`
 */
export function parseHelperAnswer(output: Uint8Array, program: string): RegistryAuth | undefined {
  const json = parseJsonObject(output)
  const [username, secret] = [json?.['Username'], json?.['Secret']]
  if (typeof username !== 'string' || typeof secret !== 'string') {
    throw failure(program, 'its answer is not what helpers answer')
  }
  return secret ? passwordAuth(username, secret) : undefined
}

function run(
  program: string,
  input: string,
  context: HelperContext,
): Promise<{ exitCode: number | null; output: Buffer }> {
  const { env, clock, signal } = context
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason)
    const child = spawn(program, ['get'], {
      env,
      stdio: ['pipe', 'pipe', 'ignore'],
      windowsHide: true,
    })
    const chunks: Buffer[] = []
    let length = 0
    const settle = (conclude: () => void): void => {
      cancelTimer()
      signal?.removeEventListener('abort', onAbort)
      child.kill('SIGKILL')
      conclude()
    }
    const onAbort = (): void => settle(() => reject(signal?.reason))
    const cancelTimer = clock.after(helperTimeoutMs, () => {
      settle(() => reject(failure(program, `it says nothing within ${helperTimeoutMs / 1000} s`)))
    })
    signal?.addEventListener('abort', onAbort, { once: true })
    child.on('error', (cause) =>
      settle(() => reject(failure(program, 'it cannot be run; is it in PATH?', cause))),
    )
    child.stdout.on('data', (chunk: Buffer) => {
      chunks.push(chunk)
      length += chunk.byteLength
      if (length > maxOutputBytes) settle(() => reject(failure(program, 'it says too much')))
    })
    child.on('close', (exitCode) =>
      settle(() => resolve({ exitCode, output: Buffer.concat(chunks) })),
    )
    // A helper that does not read what it is asked ends on its own terms; its exit code tells.
    child.stdin.on('error', () => {})
    child.stdin.end(`${input}\n`)
  })
}

function failure(program: string, reason: string, cause?: unknown): RequestError {
  return new RequestError(
    'ERR_REQUEST_OPTION',
    `the credential helper ${program} gives no credentials: ${reason}`,
    { cause },
  )
}
