import type { Environment, GivenFlags, Settings } from './config.ts'
import type { Output } from './output.ts'

/** What every command works with. */
export interface CommandContext {
  readonly settings: Settings
  readonly output: Output
  /** For a command with settings of its own. */
  readonly given: GivenFlags
  readonly env: Environment
  /** Aborted when the process is to end. */
  readonly signal: AbortSignal
}

/** Resolves when the signal is aborted. */
export function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
