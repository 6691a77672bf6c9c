import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { openSync, readFileSync, writeFileSync, closeSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { run } from './tools.ts'

/** Debian's docker-registry on a port of its own, until it is stopped. */
export class DockerRegistry implements AsyncDisposable {
  readonly host: string
  readonly #process: ChildProcess
  readonly #logPath: string

  private constructor(host: string, child: ChildProcess, logPath: string) {
    this.host = host
    this.#process = child
    this.#logPath = logPath
  }

  /** @param login - with it, every request needs this user's password */
  static async start(directory: string, login?: { user: string; password: string }): Promise<DockerRegistry> {
    const host = `127.0.0.1:${await freePort()}`
    const config = {
      version: 0.1,
      log: { level: 'info', accesslog: { disabled: false } },
      storage: { filesystem: { rootdirectory: join(directory, 'data') } },
      http: { addr: host },
      ...(login && { auth: { htpasswd: { realm: 'test', path: join(directory, 'htpasswd') } } }),
    }
    if (login) {
      writeFileSync(join(directory, 'htpasswd'), await run('htpasswd', ['-Bbn', login.user, login.password]))
    }
    // YAML is a superset of JSON.
    writeFileSync(join(directory, 'registry.yml'), JSON.stringify(config))
    const logPath = join(directory, 'registry.log')
    const log = openSync(logPath, 'a')
    const child = spawn('docker-registry', ['serve', join(directory, 'registry.yml')], { stdio: ['ignore', log, log] })
    closeSync(log)
    const registry = new DockerRegistry(host, child, logPath)
    await registry.#answers()
    return registry
  }

  /** Bytes of manifests and blobs that it sent, by its own access log. */
  bytesSent(): number {
    const lines = readFileSync(this.#logPath, 'utf8').matchAll(
      /"GET \/v2\/\S+\/(?:blobs|manifests)\/\S+ HTTP\/1\.1" 20[06] (\d+)/g,
    )
    return [...lines].reduce((sum, match) => sum + Number(match[1]), 0)
  }

  async stop(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return
    const ended = once(this.#process, 'exit')
    this.#process.kill('SIGKILL')
    await ended
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }

  async #answers(): Promise<void> {
    for (let attempt = 0; attempt < 100; attempt++) {
      const answer = await fetch(`http://${this.host}/v2/`).catch(() => undefined)
      if (answer) return
      await pause(50)
    }
    throw new RangeError(`docker-registry does not answer: ${readFileSync(this.#logPath, 'utf8')}`)
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  return typeof address === 'object' && address ? address.port : 0
}
