import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { MirrorNodeReady, MirrorNodeSettings } from './mirror-node.ts'

const program = join(import.meta.dirname, 'mirror-node.ts')

/** A node and its mirror in a process of their own, that may be killed. */
export class MirrorProcess implements AsyncDisposable {
  readonly #process: ChildProcess
  readonly #facts: MirrorNodeReady

  private constructor(child: ChildProcess, facts: MirrorNodeReady) {
    this.#process = child
    this.#facts = facts
  }

  static async start(settings: MirrorNodeSettings): Promise<MirrorProcess> {
    mkdirSync(settings.directory, { recursive: true })
    const child = spawn(process.execPath, [program, JSON.stringify(settings)], { stdio: ['pipe', 'pipe', 'pipe'] })
    let stderr = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
    const [line] = await Promise.race([once(createInterface({ input: child.stdout }), 'line'), once(child, 'exit')])
    if (typeof line !== 'string') throw new RangeError(`the mirror ended: ${stderr.slice(-2000)}`)
    return new MirrorProcess(child, JSON.parse(line))
  }

  /** `http://127.0.0.1:5001` */
  get url(): string {
    return this.#facts.mirror
  }

  /** `127.0.0.1:5001` */
  get host(): string {
    return new URL(this.url).host
  }

  get addresses(): readonly string[] {
    return this.#facts.addresses
  }

  /** Ends it without a word. */
  async kill(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return
    const ended = once(this.#process, 'exit')
    this.#process.kill('SIGKILL')
    await ended
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.kill()
  }
}
