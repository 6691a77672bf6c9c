import { once } from 'node:events'
import { pathToFileURL } from 'node:url'
import type { WorkerFailure } from './worker-process.ts'

/** A worker's end of its channel. */
export interface WorkerChannel<From extends object> {
  /** Aborted when the bench lets the worker go. */
  readonly released: AbortSignal
  tell(message: From | WorkerFailure): void
}

/** Runs a worker: gives it its setup, and tells the bench when it fails. */
export async function runWorker<Setup, From extends object>(
  work: (setup: Setup, channel: WorkerChannel<From>) => Promise<void>,
): Promise<void> {
  const release = new AbortController()
  process.once('disconnect', () => release.abort())
  // Ctrl-C reaches all processes of the terminal; the bench lets its workers go itself.
  process.on('SIGINT', () => {})
  const tell = (message: From | WorkerFailure): void => {
    if (process.connected) process.send?.(message)
  }
  try {
    const setup: Setup = JSON.parse(process.argv[2] ?? '')
    await work(setup, { released: release.signal, tell })
  } catch (error) {
    tell({ type: 'failed', message: error instanceof Error ? `${error.message}${causeOf(error)}` : String(error) })
    process.exitCode = 1
  } finally {
    if (process.connected) process.disconnect()
  }
}

/** Settles when the bench lets the worker go. */
export async function untilReleased(released: AbortSignal): Promise<void> {
  if (!released.aborted) await once(released, 'abort')
}

/** Loads the product from where it is installed. */
export async function loadProduct(entry: string): Promise<typeof import('../../../src/index.ts')> {
  return await import(pathToFileURL(entry).href)
}

/** Loads what the product offers for tests. */
export async function loadTesting(entry: string): Promise<typeof import('../../../src/testing/index.ts')> {
  return await import(pathToFileURL(entry).href)
}

function causeOf({ cause }: Error): string {
  return cause instanceof Error ? ` (${cause.message})` : ''
}
