import { createServer, STATUS_CODES, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { once } from 'node:events'
import { isIP, type Socket } from 'node:net'
import type { Clock } from '../core/clock.ts'
import type { Logger } from '../core/log.ts'
import { printErrorBody } from '../oci/distribution-error.ts'
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
  readonly #active = new Map<ServerResponse, Promise<void>>()
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
    // Each request that is pipelined on it listens for its end.
    server.on('connection', (socket) => socket.setMaxListeners(0))
    server.on('request', (request, response) => this.#onRequest(request, response, this.#refusalOf(request)))
    const unexpected = new Refusal(417, 'UNSUPPORTED', 'mirrors fulfil no expectations')
    server.on('checkContinue', (request, response) => this.#onRequest(request, response, unexpected))
    server.on('checkExpectation', (request, response) => this.#onRequest(request, response, unexpected))
    server.on('connect', (_request, socket: Socket) => socket.end(printAnswer(new Refusal(405, 'UNSUPPORTED', 'this mirror is read-only'))))
    server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => this.#onClientError(error, socket))
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
    // Whoever asks meanwhile is refused, and is to hear it.
    while (this.#active.size > 0) await Promise.all(this.#active.values())
    this.#server.closeAllConnections()
    cancel()
    await closed
  }

  #onRequest(request: IncomingMessage, response: ServerResponse, refusal: Refusal | undefined): void {
    const { socket } = request
    const gone = new AbortController()
    // Not the response's: up to Node 22, those that wait behind another one are not told that their connection has ended.
    const onClose = (): void => gone.abort(new Refusal(499, 'UNAVAILABLE', 'the client has gone'))
    socket.once('close', onClose)
    const done = this.#answer(request, response, refusal, gone.signal).finally(() => {
      socket.off('close', onClose)
      this.#active.delete(response)
    })
    this.#active.set(response, done)
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

  async #answer(request: IncomingMessage, response: ServerResponse, refusal: Refusal | undefined, gone: AbortSignal): Promise<void> {
    const { method = 'GET', url = '/', headers } = request
    const header = (name: string): string | undefined => {
      const value = headers[name]
      return Array.isArray(value) ? value.join(', ') : value
    }
    discardBody(request, response)
    try {
      const { status, headers: answered, body } = refusal ? refusalAnswer(refusal) : await this.#init.answer({ method, target: url, header, signal: gone, sendsInTurn: true })
      response.writeHead(status, answered)
      await writeBody(response, method === 'HEAD' ? undefined : body, this.#init.clock, gone)
    } catch (error) {
      if (!gone.aborted) this.#init.logger.warn('an answer was cut', { target: url, error })
      // Whatever was sent, it is not all: no client may take it for the whole.
      response.destroy()
    }
  }

  #onClientError(error: NodeJS.ErrnoException, socket: Socket): void {
    // What is written now would stand in the middle of an answer that is under way.
    const hasBegun = [...this.#active.keys()].some(({ req, headersSent }) => req.socket === socket && headersSent)
    if (error.code === 'ECONNRESET' || !socket.writable || hasBegun) socket.destroy()
    else socket.end(printAnswer(clientErrorOf(error)))
  }
}

/** Writes as fast as the client takes it, and no faster; resolves when it has taken all. A client that stands still is let go. */
async function writeBody(response: ServerResponse, body: AsyncIterable<Uint8Array> | undefined, clock: Clock, gone: AbortSignal): Promise<void> {
  for await (const chunk of body ?? []) {
    // Its connection may close later: a body that is always ready would not let it.
    if (gone.aborted || response.destroyed) return
    await taken(response, clock, gone, (done) => response.write(chunk, done))
  }
  await taken(response, clock, gone, (done) => response.end(done))
}

/** Resolves when the system has taken what is written, or the client has gone. */
async function taken(response: ServerResponse, clock: Clock, gone: AbortSignal, write: (done: () => void) => void): Promise<void> {
  if (gone.aborted || response.destroyed) return
  const { promise, resolve } = Promise.withResolvers<void>()
  const done = (): void => resolve()
  const cancel = clock.after(standstillMs, () => response.destroy())
  gone.addEventListener('abort', done)
  write(done)
  await promise
  cancel()
  gone.removeEventListener('abort', done)
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

function clientErrorOf({ code }: NodeJS.ErrnoException): Refusal {
  if (code === 'HPE_HEADER_OVERFLOW') return new Refusal(431, 'UNSUPPORTED', 'the headers are too large')
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return new Refusal(408, 'UNSUPPORTED', 'the request did not come in time')
  return new Refusal(400, 'UNSUPPORTED', 'that is no HTTP')
}

/** An answer where there is no response to write it to; the connection ends with it. */
function printAnswer({ status, code, message }: Refusal): string {
  const body = printErrorBody(code, message)
  const head = `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nconnection: close\r\ncontent-type: application/json\r\n`
  return `${head}content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`
}
