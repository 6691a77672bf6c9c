import { execFile } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'
import { describe } from 'vitest'

const execute = promisify(execFile)

/** Runs a program to its end; its output on success, an error with what it said otherwise. */
export async function run(program: string, args: readonly string[], options: { env?: NodeJS.ProcessEnv } = {}): Promise<string> {
  const { stdout } = await execute(program, args, { ...options, maxBuffer: 64 * 1024 * 1024 })
  return stdout
}

/** Tests that need programs of the machine; without them they are skipped, and the reason is printed. */
export function describeWith(programs: readonly string[], name: string, body: () => void): void {
  const missing = programs.filter((program) => !isInstalled(program))
  if (missing.length > 0) console.log(`skipped: ${name}: ${missing.join(', ')} not installed`)
  describe.skipIf(missing.length > 0)(name, body)
}

/** Likewise, of programs that must be root. */
export function describeAsRoot(programs: readonly string[], name: string, body: () => void): void {
  const isRoot = process.getuid?.() === 0
  if (isRoot) return describeWith(programs, name, body)
  console.log(`skipped: ${name}: needs root`)
  describe.skip(name, body)
}

function isInstalled(program: string): boolean {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin']
  return folders.some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}
