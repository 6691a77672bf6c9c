import type { ServerResponse } from 'node:http'
import type { Random } from '../../src/core/random.ts'
import type { Visit } from './fake-registry.ts'

/** Answers of spaces, so many over all of them, and how many of them were taken. */
export class Spaces {
  takenBytes = 0
  readonly #lengthBytes: number

  constructor(lengthBytes: number) {
    this.#lengthBytes = lengthBytes
  }

  sendTo(response: ServerResponse): void {
    if (this.takenBytes >= this.#lengthBytes) return void response.end()
    const part = Buffer.alloc(Math.min(64 * 1024, this.#lengthBytes - this.takenBytes), ' ')
    response.write(part, (error) => {
      this.takenBytes += part.byteLength
      if (!error) this.sendTo(response)
    })
  }
}

/** Fails three times in ten, as it is drawn: with a status, or half-way. */
export class Stumbling {
  failedCount = 0
  readonly #random: Random

  constructor(random: Random) {
    this.#random = random
  }

  readonly visit = ({ response, serve, serveHalf }: Visit): void => {
    if (this.#random.next() >= 0.3) return serve()
    this.failedCount++
    const status = [500, 502, 503, 504][this.#random.below(5)]
    if (status === undefined) serveHalf()
    else response.writeHead(status).end('<html>')
  }
}
