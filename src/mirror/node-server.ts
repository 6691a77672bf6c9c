import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { once } from 'node:events'
import { isIP, type Socket } from 'node:net'
import type { Clock } from '../core/clock.ts'
import type { Logger } from '../core/log.ts'
import { refusalAnswer } from './error-answer.ts'
import type { MirrorAnswer, MirrorRequest } from './mirror-answer.ts'
import { Refusal } from './refusal.ts'

/** How a client may keep us waiting, in milliseconds: for its headers; and without taking anything of a body. */
const usualHeadersMs = 10_000
const standstillMs = 300_000
/** Bodies under way at {@link NodeServer.close} have so long to end. */
const drainMs = 30_000
const maxHeaderBytes = 32 * 1024
const maxHeaders = 100
/** Nobody has to send us a body; so much of one is read to keep the connection. */
const maxRequestBytes = 64 * 1024

/** What a server works with. */
export interface NodeServerInit {
  readonly host: string
  readonly port: number
  /** Names by which clients may call it, besides addresses and `localhost`: any other is a web page's trick. */
  readonly hostNames: readonly string[]
  readonly answer: (request: MirrorRequest) => Promise<MirrorAnswer>
  readonly clock: Clock
  readonly logger: Logger
  /** How long headers may take, in milliseconds. @defaultValue 10 s */
  readonly headersMs?: number | undefined
}

/** Serves answers over HTTP/1.1. */
export class NodeServer {
  readonly #init: NodeServerInit
  readonly #server: Server
  /** Answers under way. */
  readonly #active = new Set<Promise<void>>()
  #closing: Promise<void> | undefined

  constructor(init: NodeServerInit) {
    this.#init = init
    const { headersMs = usualHeadersMs } = init
    this.#server = createServer({
      maxHeaderSize: maxHeaderBytes,
      headersTimeout: headersMs,
      // From the first byte to the last of a request, and we read no bodies to speak of.
      requestTimeout: 2 * headersMs,
      connectionsCheckingInterval: Math.min(1000, headersMs),
      keepAliveTimeout: 60_000,
      requireHostHeader: false,
      insecureHTTPParser: false,
      noDelay: true,
    })
    const server = this.#server
    server.on('request', (request, response) => this.#onRequest(request, response))
    server.on('checkContinue', (request, response) => this.#refuse(request, response, new Refusal(417, 'UNSUPPORTED', 'nothing is expected of clients here')))
    server.on('checkExpectation', (request, response) => this.#refuse(request, response, new Refusal(417, 'UNSUPPORTED', 'nothing is expected of clients here')))
    server.on('connect', (_request, socket: Socket) => socket.end(plainAnswer(405, 'Method Not Allowed')))
    server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => onClientError(error, socket))
  }

  /** Resolves to where it listens: `http://127.0.0.1:5001`. */
  async listen(): Promise<string> {
    const { host, port } = this.#init
    this.#server.listen({ host, port })
    await once(this.#server, 'listening')
    const bound = this.#server.address()
    const boundPort = typeof bound === 'object' && bound ? bound.port : port
    return `http://${isIP(host) === 6 ? `[${host}]` : host}:${boundPort}`
  }

  /** New requests are refused; those under way have half a minute. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve))
    this.#server.closeIdleConnections()
    const cancel = this.#init.clock.after(drainMs, () => this.#server.closeAllConnections())
    await Promise.all(this.#active)
    this.#server.closeAllConnections()
    cancel()
    await closed
  }

  #onRequest(request: IncomingMessage, response: ServerResponse): void {
    const refusal = this.#refusalOf(request)
    if (refusal) return this.#refuse(request, response, refusal)
    const done = this.#answer(request, response).finally(() => this.#active.delete(done))
    this.#active.add(done)
  }

  #refusalOf(request: IncomingMessage): Refusal | undefined {
    const { rawHeaders, headers } = request
    if (this.#closing) return new Refusal(503, 'UNAVAILABLE', 'the mirror is closing', { connection: 'close' })
    if (rawHeaders.length > 2 * maxHeaders) return new Refusal(431, 'UNSUPPORTED', `more than ${maxHeaders} headers`, { connection: 'close' })
    const hosts = rawHeaders.filter((name, index) => index % 2 === 0 && name.toLowerCase() === 'host').length
    if (hosts > 1 || (hosts === 0 && request.httpVersion !== '1.0')) return new Refusal(400, 'UNSUPPORTED', 'one Host header belongs in a request')
    if (headers.host !== undefined && !this.#isOurs(headers.host)) {
      return new Refusal(421, 'UNSUPPORTED', 'this mirror is not called that: call it by its address, or list the name in hostNames')
    }
    return undefined
  }

  #isOurs(host: string): boolean {
    const name = URL.parse(`http://${host}`)?.hostname.replace(/^\[|\]$/g, '')
    if (name === undefined) return false
    return isIP(name) !== 0 || name === 'localhost' || this.#init.hostNames.includes(name)
  }

  #refuse(request: IncomingMessage, response: ServerResponse, refusal: Refusal): void {
    const { status, headers, body } = refusalAnswer(refusal)
    request.resume()
    response.writeHead(status, headers)
    void writeBody(response, body, request.method === 'HEAD', this.#init.clock).catch(() => response.destroy())
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const gone = new AbortController()
    response.once('close', () => gone.abort(new Refusal(499, 'UNAVAILABLE', 'the client has gone')))
    const { method = 'GET', url = '/', headers } = request
    discardBody(request, response)
    try {
      const answer = await this.#init.answer({
        method,
        target: url,
        header: (name) => {
          const value = headers[name]
          return Array.isArray(value) ? value.join(', ') : value
        },
        signal: gone.signal,
        sendsInTurn: true,
      })
      response.writeHead(answer.status, answer.headers)
      await writeBody(response, answer.body, method === 'HEAD', this.#init.clock)
    } catch (error) {
      if (!gone.signal.aborted) this.#init.logger.warn('an answer was cut', { target: url, error })
      // Whatever was sent, it is not all: no client may take it for the whole.
      response.destroy()
    }
  }
}

/** Writes as fast as the client takes it, and no faster; a client that stands still is let go. */
async function writeBody(response: ServerResponse, body: AsyncIterable<Uint8Array> | undefined, isHead: boolean, clock: Clock): Promise<void> {
  if (!body || isHead) {
    response.end()
    return
  }
  for await (const chunk of body) {
    if (response.destroyed) return
    await written(response, chunk, clock)
  }
  response.end()
}

/** Resolves when the system has taken a chunk, or the client has gone. */
async function written(response: ServerResponse, chunk: Uint8Array, clock: Clock): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const cancel = clock.after(standstillMs, () => response.destroy())
  response.once('close', resolve)
  response.write(chunk, () => resolve())
  await promise
  cancel()
  response.off('close', resolve)
}

/** What a client sends with a GET is nothing to us; too much of it costs it the connection. */
function discardBody(request: IncomingMessage, response: ServerResponse): void {
  let readBytes = 0
  request.on('data', (chunk: Buffer) => {
    readBytes += chunk.byteLength
    if (readBytes <= maxRequestBytes) return
    response.shouldKeepAlive = false
    request.pause()
    if (response.writableFinished) request.destroy()
    else response.once('finish', () => request.destroy())
  })
  request.on('error', () => {})
}

function onClientError(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy()
    return
  }
  const [status, text] =
    error.code === 'HPE_HEADER_OVERFLOW'
      ? ([431, 'Request Header Fields Too Large'] as const)
      : error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
        ? ([408, 'Request Timeout'] as const)
        : ([400, 'Bad Request'] as const)
  socket.end(plainAnswer(status, text))
}

function plainAnswer(status: number, text: string): string {
  return `HTTP/1.1 ${status} ${text}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`
}
