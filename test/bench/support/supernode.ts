import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { start } from '../net/commands.ts'
import { BenchError } from './bench-run.ts'

/** A supernode, run by the command line as an operator would. */
export class Supernode implements AsyncDisposable {
  /** Multiaddrs on which others reach it, one for each of its addresses. */
  readonly addresses: readonly string[]
  readonly #child: ChildProcess

  private constructor(child: ChildProcess, addresses: readonly string[]) {
    this.#child = child
    this.addresses = addresses
  }

  static async start(init: {
    cli: string
    namespace: string
    storeDir: string
    registryHost: string
    home: string
    region?: string | undefined
  }): Promise<Supernode> {
    const args = [init.cli, 'serve', '--role', 'supernode', '--store', init.storeDir, '--insecure', init.registryHost, '--json']
    if (init.region !== undefined) args.push('--region', init.region)
    const env = { HOME: init.home }
    const child = start({ program: process.execPath, args, namespace: init.namespace }, ['ignore', 'pipe', 'pipe'], env)
    let said = ''
    child.stderr?.setEncoding('utf8').on('data', (text: string) => (said = (said + text).slice(-2000)))
    if (child.stdout) {
      for await (const line of createInterface({ input: child.stdout })) {
        const event: { event: string; addresses?: readonly string[] } = JSON.parse(line)
        if (event.event === 'ready') return new Supernode(child, event.addresses ?? [])
      }
    }
    throw new BenchError(`the supernode does not start: ${said}`)
  }

  /** How its address begins decides who can reach it. */
  addressAt(ip: string): string {
    const found = this.addresses.find((address) => address.startsWith(`/ip4/${ip}/`))
    if (found === undefined) throw new BenchError(`the supernode does not listen on ${ip}: ${this.addresses.join(' ')}`)
    return found
  }

  /** Ends it as a crash would. */
  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const ended = once(this.#child, 'exit')
    this.#child.kill('SIGKILL')
    await ended
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.kill()
  }
}
