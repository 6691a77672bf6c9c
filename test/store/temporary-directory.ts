import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'

/** A new empty directory, with mode 0700; its owner removes it. */
export function makeDirectory(): Promise<string> {
  return mkdtemp(join(tmpdir(), 'damselfly-store-'))
}

/** A directory for the test that runs. */
export async function temporaryDirectory(): Promise<string> {
  const directory = await makeDirectory()
  onTestFinished(() => rm(directory, { recursive: true, force: true }))
  return directory
}
