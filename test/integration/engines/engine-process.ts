import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'

const startMs = 20_000

/** A daemon of the machine's, with directories and sockets of its own, until it is disposed of. */
export class EngineProcess implements AsyncDisposable {
  readonly #process: ChildProcess
  readonly #logPath: string
  readonly #name: string

  /** @param logPath - takes what it says */
  constructor(program: string, args: readonly string[], logPath: string, env: NodeJS.ProcessEnv = {}) {
    this.#name = program
    this.#logPath = logPath
    const log = openSync(logPath, 'a')
    this.#process = spawn(program, args, { stdio: ['ignore', log, log], env: { ...process.env, ...env } })
    closeSync(log)
  }

  /** Resolves when `answers` does. */
  async ready(answers: () => Promise<unknown>): Promise<this> {
    const startedMs = performance.now()
    for (;;) {
      try {
        await answers()
        return this
      } catch (cause) {
        if (this.#ended || performance.now() - startedMs > startMs) {
          throw new RangeError(`${this.#name} does not answer: ${readFileSync(this.#logPath, 'utf8').slice(-2000)}`, { cause })
        }
        await pause(50)
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#ended) return
    const ended = once(this.#process, 'exit')
    // Its children end with it when it is asked to end, not when it is killed.
    this.#process.kill('SIGTERM')
    const kill = setTimeout(() => this.#process.kill('SIGKILL'), 10_000)
    await ended
    clearTimeout(kill)
  }

  get #ended(): boolean {
    return this.#process.exitCode !== null || this.#process.signalCode !== null
  }
}
