import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'

/** One address of a mirror that is killed and started anew; when it is down, connections end as they would at its own. */
export class SteadyAddress implements AsyncDisposable {
  readonly host: string
  /** Where the mirror is now: `127.0.0.1:5001`. */
  target = ''
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  #passedBytes = 0
  #limit: { readonly bytes: number; readonly reached: () => void } | undefined

  private constructor(server: Server, port: number) {
    this.#server = server
    this.host = `127.0.0.1:${port}`
    server.on('connection', (socket) => this.#join(socket))
  }

  static async open(): Promise<SteadyAddress> {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const address = server.address()
    return new SteadyAddress(server, typeof address === 'object' && address ? address.port : 0)
  }

  /** Resolves when so many more bytes have gone to the engine; no more of them pass until {@link SteadyAddress.cut}. */
  async stopAfter(bytes: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#limit = { bytes: this.#passedBytes + bytes, reached: resolve }
    await promise
  }

  /** Ends all connections, as they end when the mirror is killed, and lets everything through again. */
  cut(): void {
    this.#limit = undefined
    // What is held back would hide the end of its connection.
    for (const socket of this.#sockets) socket.destroy()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut()
    this.#server.close()
    await once(this.#server, 'close')
  }

  #join(engine: Socket): void {
    const [host = '', port = ''] = this.target.split(':')
    const mirror = connect(Number(port), host)
    for (const [from, to] of [[engine, mirror], [mirror, engine]] as const) {
      this.#sockets.add(from)
      from.on('error', () => {})
      from.on('close', () => {
        this.#sockets.delete(from)
        to.destroy()
      })
      from.on('end', () => to.end())
    }
    engine.pipe(mirror)
    mirror.on('data', (chunk) => {
      this.#passedBytes += chunk.byteLength
      if (this.#limit && this.#passedBytes > this.#limit.bytes) {
        mirror.pause()
        this.#limit.reached()
        return
      }
      if (engine.write(chunk)) return
      mirror.pause()
      engine.once('drain', () => mirror.resume())
    })
  }

}
