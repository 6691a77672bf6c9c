import { rmSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { killStarted } from '../net/commands.ts'

/** This machine cannot do what is to be measured. */
export class BenchSkipped extends Error {
  override readonly name = 'BenchSkipped'
}

/** Something went wrong that makes figures meaningless. */
export class BenchError extends Error {
  override readonly name = 'BenchError'
}

/** What a bench is given: a folder that goes away, and where to put what is to be closed. */
export interface BenchContext {
  readonly folder: string
  readonly cleanup: AsyncDisposableStack
  /** Tells a person what is going on; standard output is for figures. */
  say(text: string): void
}

/**
 * Runs a bench and cleans up whichever way it ends, interruption included. What this machine cannot do is said in one line, and is no failure.
 *
 * @param measure - resolves to the text for a person and the figures, of which the last line of standard output is made
 */
export async function runBench(
  name: string,
  json: boolean,
  measure: (context: BenchContext) => Promise<{ text: string; figures: object; failed?: string | undefined }>,
): Promise<void> {
  const stopped = Promise.withResolvers<never>()
  // Only awaited while something is measured.
  stopped.promise.catch(() => {})
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      stopped.reject(new BenchError(`interrupted by ${signal}`))
      // First, so that nothing writes into the folder while it is removed.
      killStarted()
    })
  }
  try {
    await using cleanup = new AsyncDisposableStack()
    const folder = await mkdtemp(join(tmpdir(), `damselfly-bench-${name}-`))
    cleanup.defer(() => rm(folder, { recursive: true, force: true, maxRetries: 3 }))
    // Also when an error that nobody caught ends the process.
    process.once('exit', () => rmSync(folder, { recursive: true, force: true, maxRetries: 3 }))
    const say = (text: string): void => console.error(text)
    const { text, figures, failed } = await Promise.race([measure({ folder, cleanup, say }), stopped.promise])
    console.log(text)
    if (json) console.log(JSON.stringify(figures))
    if (failed !== undefined) throw new BenchError(failed)
  } catch (error) {
    if (error instanceof BenchSkipped) {
      console.log(`skipped: ${error.message}`)
      return
    }
    console.error(`bench:${name} failed: ${error instanceof Error ? error.message : String(error)}`)
    // At once: what was measured may still be going on.
    process.exit(1)
  }
}
