import { execFile, execFileSync, spawn, type ChildProcess, type StdioOptions } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'

const execute = promisify(execFile)
const started = new Set<ChildProcess>()
// Whatever else goes wrong, nothing that was started outlives this process.
process.on('exit', killStarted)

/** Ends all that runs. */
export function killStarted(): void {
  for (const child of started) child.kill('SIGKILL')
}

/** A program and what it is given, to be run in a network namespace or, without one, right here. */
export interface Command {
  readonly program: string
  readonly args: readonly string[]
  readonly namespace?: string | undefined
}

/** Runs a command to its end; what it printed on success, an error with what it said otherwise. */
export async function run(command: Command): Promise<string> {
  const [program, args] = inPlace(command)
  const running = execute(program, args, { maxBuffer: 64 * 1024 * 1024 })
  track(running.child)
  const { stdout } = await running
  return stdout
}

/** Where nothing may be awaited any more: as the process ends. */
export function runNow(command: Command): void {
  const [program, args] = inPlace(command)
  execFileSync(program, args, { stdio: 'ignore' })
}

/** Starts a command. Its process id is the command's own: `ip netns exec` becomes what it runs. */
export function start(command: Command, stdio: StdioOptions, env: NodeJS.ProcessEnv = {}): ChildProcess {
  const [program, args] = inPlace(command)
  const child = spawn(program, args, { stdio, env: { ...process.env, ...env } })
  track(child)
  return child
}

/** Those of the programs that this machine does not have. */
export function missingPrograms(programs: readonly string[]): string[] {
  return programs.filter((program) => !searchPath().some((folder) => isExecutable(join(folder, program))))
}

function track(child: ChildProcess): void {
  started.add(child)
  child.once('exit', () => started.delete(child))
}

function inPlace({ program, args, namespace }: Command): [string, string[]] {
  return namespace === undefined ? [program, [...args]] : ['ip', ['netns', 'exec', namespace, program, ...args]]
}

function searchPath(): string[] {
  return (process.env['PATH'] ?? '').split(delimiter)
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
