import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'

const entry = join(import.meta.dirname, '../../src/cli/main.ts')

/** What a command line left behind. */
export interface CliResult {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** The command line in a process of its own, without the variables of whoever runs the tests. */
export class Cli implements AsyncDisposable {
  readonly child: ChildProcess
  readonly #ended: Promise<unknown>
  #stdout = ''
  #stderr = ''

  constructor(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
    const own = Object.entries(process.env).filter(([name]) => !/^(?:DAMSELFLY_|XDG_|NODE_OPTIONS$)/.test(name))
    this.child = spawn(process.execPath, [entry, ...args], {
      env: { ...Object.fromEntries(own), NODE_NO_WARNINGS: '1', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.child.stdout?.setEncoding('utf8').on('data', (text: string) => (this.#stdout += text))
    this.child.stderr?.setEncoding('utf8').on('data', (text: string) => (this.#stderr += text))
    this.#ended = once(this.child, 'close')
  }

  /** Resolves when all it said is here. */
  async result(): Promise<CliResult> {
    await this.#ended
    return { code: this.child.exitCode, stdout: this.#stdout, stderr: this.#stderr }
  }

  /** The first line of standard output that passes. */
  async line(passes: (line: string) => boolean): Promise<string> {
    for (;;) {
      const found = this.#stdout.split('\n').slice(0, -1).find(passes)
      if (found !== undefined) return found
      const { stdout } = this.child
      if (!stdout || this.child.exitCode !== null) throw new RangeError(`no such line: ${this.#stdout}${this.#stderr}`)
      await Promise.race([once(stdout, 'data'), this.#ended])
    }
  }

  /** The first JSON line with an event of that name. */
  async event(name: string): Promise<CliLine> {
    return JSON.parse(await this.line((line) => line.startsWith(`{"event":"${name}"`)))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.child.kill('SIGKILL')
    await this.#ended
  }
}

/** A JSON line, with the fields that the tests look at. */
export interface CliLine {
  readonly event: string
  readonly code?: string
  readonly message?: string
  readonly digest?: string
  readonly peerId?: string
  readonly mirror?: string
  readonly addresses?: readonly string[]
  readonly bytes?: { readonly total: number; readonly origin: number; readonly peers: number; readonly stored: number }
  readonly peers?: readonly { readonly peerId: string; readonly bytes: number; readonly foundBy: readonly string[] }[]
  readonly ms?: number
  readonly repository?: string
  readonly advice?: string
}

/** Runs a command line to its end. */
export async function runCli(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<CliResult> {
  await using cli = new Cli(args, env)
  return await cli.result()
}

/** Standard output of a run with `--json`. */
export function jsonLines(stdout: string): CliLine[] {
  return stdout.split('\n').filter(Boolean).map((line) => JSON.parse(line))
}
