import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

const entry = join(import.meta.dirname, '../../src/cli/main.ts')

/** A line that the command line printed with `--json`. */
export interface CliEvent {
  readonly event: string
  /** Of `ready` and `seeding`. */
  readonly addresses?: readonly string[]
  readonly [field: string]: unknown
}

/** The command line in a process of its own, as users run it. */
export class CliProcess implements AsyncDisposable {
  readonly events: CliEvent[] = []
  readonly #process: ChildProcess
  readonly #waiting = new Set<() => void>()
  readonly #exited: Promise<number | null>
  stderr = ''

  constructor(args: readonly string[], env: NodeJS.ProcessEnv = {}) {
    this.#process = spawn(process.execPath, [entry, ...args, '--json'], {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const { stdout, stderr } = this.#process
    if (stdout) {
      createInterface({ input: stdout }).on('line', (line) => {
        this.events.push(JSON.parse(line))
        for (const look of this.#waiting) look()
      })
    }
    stderr?.setEncoding('utf8').on('data', (text: string) => (this.stderr += text))
    this.#exited = once(this.#process, 'close').then(([code]) => {
      for (const look of this.#waiting) look()
      return code as number | null
    })
  }

  /** The first event of that name; fails when the process ends without it. */
  async event(name: string): Promise<CliEvent> {
    const found = (): CliEvent | undefined => this.events.find(({ event }) => event === name)
    let ended = false
    void this.#exited.then(() => (ended = true))
    for (;;) {
      const event = found()
      if (event) return event
      if (ended) throw new RangeError(`no ${name}: ${JSON.stringify(this.events.at(-1))} ${this.stderr}`)
      await new Promise<void>((resolve) => {
        const look = (): void => {
          this.#waiting.delete(look)
          resolve()
        }
        this.#waiting.add(look)
        void this.#exited.then(look)
      })
    }
  }

  /** Its exit code. */
  exit(): Promise<number | null> {
    return this.#exited
  }

  kill(signal: NodeJS.Signals): void {
    this.#process.kill(signal)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.kill('SIGKILL')
    await this.#exited
  }
}
