import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { start } from '../net/commands.ts'
import { BenchError } from './bench-run.ts'

/** What every worker may say. */
export interface WorkerFailure {
  readonly type: 'failed'
  readonly message: string
}

interface Waiting {
  readonly type: string
  readonly resolve: (message: unknown) => void
  readonly reject: (error: Error) => void
}

/** How long a worker may take to end by itself when it is let go. */
const endLimitMs = 10_000

/** A script in a Node process of its own: messages go both ways, and it ends when its channel closes. */
export class WorkerProcess<To extends object, From extends { readonly type: string }> implements AsyncDisposable {
  readonly name: string
  readonly startedEpochMs: number
  readonly #child: ChildProcess
  readonly #exited: Promise<unknown>
  readonly #unread: (From | WorkerFailure)[] = []
  readonly #waiting: Waiting[] = []
  #failure: BenchError | undefined
  #killed = false
  #stderr = ''

  /** @param setup - its only argument, as JSON */
  constructor(name: string, script: string, setup: object, place: { namespace?: string | undefined; env?: NodeJS.ProcessEnv } = {}) {
    this.name = name
    this.startedEpochMs = epochMs()
    const command = { program: process.execPath, args: [script, JSON.stringify(setup)], namespace: place.namespace }
    this.#child = start(command, ['ignore', 'ignore', 'pipe', 'ipc'], place.env)
    // How it ended is told below.
    this.#exited = once(this.#child, 'exit').catch(() => {})
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => (this.#stderr = (this.#stderr + text).slice(-2000)))
    this.#child.on('message', (message: From | WorkerFailure) => this.#receive(message))
    this.#child.once('close', (code, signal) => this.#fail(`its process ended with ${signal ?? `code ${code}`} ${this.#stderr}`))
    // Each message that no longer gets through is one, and none of them may end the bench.
    this.#child.on('error', (error) => this.#fail(error.message))
  }

  /** The next message of that type; each is given out once. */
  async next<Type extends From['type']>(type: Type): Promise<Extract<From, { type: Type }>> {
    const index = this.#unread.findIndex((message) => message.type === type)
    const [found] = index < 0 ? [] : this.#unread.splice(index, 1)
    if (found) return found as Extract<From, { type: Type }>
    if (this.#failure) throw this.#failure
    return new Promise((resolve, reject) => {
      this.#waiting.push({ type, reject, resolve: (message) => resolve(message as Extract<From, { type: Type }>) })
    })
  }

  send(message: To): void {
    this.#child.send(message)
  }

  /** Ends it as a crash would. */
  async kill(): Promise<void> {
    this.#killed = true
    this.#child.kill('SIGKILL')
    await this.#exited
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    if (this.#child.connected) this.#child.disconnect()
    const killer = setTimeout(() => this.#child.kill('SIGKILL'), endLimitMs)
    await this.#exited
    clearTimeout(killer)
  }

  #receive(message: From | WorkerFailure): void {
    if (message.type === 'failed' && 'message' in message) return this.#fail(message.message)
    const index = this.#waiting.findIndex(({ type }) => type === message.type)
    const [waiting] = index < 0 ? [] : this.#waiting.splice(index, 1)
    if (waiting) waiting.resolve(message)
    else this.#unread.push(message)
  }

  #fail(reason: string): void {
    this.#failure ??= new BenchError(`${this.name}: ${this.#killed ? 'it was killed' : reason}`)
    for (const { reject } of this.#waiting.splice(0)) reject(this.#failure)
  }
}

/** Time that all processes of one machine agree on, in milliseconds, finer than `Date.now()`. */
export function epochMs(): number {
  return performance.timeOrigin + performance.now()
}
