import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { FromNode, NodeSetup, ToNode } from './demo-messages.ts'
import type { NodeReport } from './demo-report.ts'

/** The demo's end of one node process. */
export class DemoProcess implements AsyncDisposable {
  readonly name: string
  readonly #child: ChildProcess
  readonly #exited: Promise<unknown>
  readonly #ready = Promise.withResolvers<readonly string[]>()
  readonly #pulled = Promise.withResolvers<Extract<FromNode, { type: 'pulled' }>>()
  #bytesHere = 0

  constructor(name: string, setup: NodeSetup) {
    this.name = name
    this.#child = fork(join(import.meta.dirname, 'demo-node.ts'), [JSON.stringify(setup)])
    this.#exited = once(this.#child, 'exit')
    // Both are awaited later, if at all: a node may fail before.
    for (const { promise } of [this.#ready, this.#pulled]) promise.catch(() => {})
    this.#child.on('message', (message: FromNode) => this.#onMessage(message))
    this.#child.once('exit', (code) => this.#fail(`its process ended with code ${code}`))
    this.#child.once('error', (error) => this.#fail(error.message))
  }

  /** Bytes of layers that it has so far. */
  get bytesHere(): number {
    return this.#bytesHere
  }

  /** Resolves to its addresses when it is up and linked to the node it begins with. */
  get ready(): Promise<readonly string[]> {
    return this.#ready.promise
  }

  /** Resolves to the digest of the image and how the pull went. */
  async pull(reference: string, to: string): Promise<NodeReport & { digest: string }> {
    const order: ToNode = { type: 'pull', reference, to }
    this.#child.send(order)
    const { digest, stats, mostGivers } = await this.#pulled.promise
    return { name: this.name, digest, stats, mostGivers }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.connected) this.#child.disconnect()
    const killer = setTimeout(() => this.#child.kill('SIGKILL'), 5000)
    if (this.#child.exitCode === null && this.#child.signalCode === null) await this.#exited
    clearTimeout(killer)
  }

  #onMessage(message: FromNode): void {
    if (message.type === 'ready') this.#ready.resolve(message.addresses)
    if (message.type === 'progress') this.#bytesHere = message.bytes
    if (message.type === 'pulled') {
      this.#bytesHere = message.stats.bytes.total
      this.#pulled.resolve(message)
    }
    if (message.type === 'failed') this.#fail(message.message)
  }

  #fail(reason: string): void {
    const error = new DemoError(`node ${this.name} failed: ${reason}`)
    this.#ready.reject(error)
    this.#pulled.reject(error)
  }
}

/** Something that the demo should have shown and did not. */
export class DemoError extends Error {
  override readonly name = 'DemoError'
}
