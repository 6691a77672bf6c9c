import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'

/** A new empty directory, with mode 0700; its owner removes it. */
export function makeDirectory(parent: string = tmpdir()): Promise<string> {
  return mkdtemp(join(parent, 'damselfly-store-'))
}

/**
 * Likewise in memory where the system has that: for tests that open a store hundreds of times and need no disk that
 * syncs.
 */
export function makeFastDirectory(): Promise<string> {
  return makeDirectory(existsSync('/dev/shm') ? '/dev/shm' : undefined)
}

/** A directory for the test that runs. */
export async function temporaryDirectory(): Promise<string> {
  const directory = await makeDirectory()
  onTestFinished(() => rm(directory, { recursive: true, force: true }))
  return directory
}
