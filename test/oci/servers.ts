import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { createServer as createTcpServer, type AddressInfo, type Server, type Socket } from 'node:net'
import type { TestCertificate } from './certificate.ts'

export type Handler = (request: IncomingMessage, response: ServerResponse) => void

/** A server of a test: an origin with what it was asked. */
export interface TestServer extends AsyncDisposable {
  readonly url: string
  readonly host: string
  readonly port: number
  /** Connections that were opened to it. */
  readonly connectionCount: number
  /** Paths with queries, in the order in which they were asked for. */
  readonly asked: string[]
}

/** Where a server listens, and as whom. */
export interface ServeOptions {
  readonly certificate?: TestCertificate | undefined
  readonly address?: string | undefined
  readonly port?: number | undefined
}

/** Serves HTTP, or HTTPS when there is a certificate. */
export async function serveHttp(handler: Handler, options: ServeOptions = {}): Promise<TestServer> {
  const { certificate, address, port } = options
  const asked: string[] = []
  const listener: RequestListener = (request, response) => {
    asked.push(request.url ?? '')
    handler(request, response)
  }
  const server = certificate ? createTlsServer(certificate, listener) : createServer(listener)
  return listen(server, certificate ? 'https' : 'http', asked, address, port)
}

/** Answers every connection with these bytes after the first request on it, as they are. */
export async function serveRaw(answer: (socket: Socket) => void): Promise<TestServer> {
  return listen(createTcpServer((socket) => {
    socket.on('error', () => {})
    socket.once('data', () => answer(socket))
  }), 'http', [])
}

async function listen(server: Server, scheme: string, asked: string[], address = '127.0.0.1', wantedPort = 0): Promise<TestServer> {
  const sockets = new Set<Socket>()
  let connectionCount = 0
  server.on('connection', (socket: Socket) => {
    connectionCount++
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
  })
  await new Promise<void>((resolve) => server.listen(wantedPort, address, resolve))
  const { port } = server.address() as AddressInfo
  const host = `${address.includes(':') ? `[${address}]` : address}:${port}`
  return {
    url: `${scheme}://${host}`,
    host,
    port,
    get connectionCount() {
      return connectionCount
    },
    asked,
    [Symbol.asyncDispose]: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve())
        for (const socket of sockets) socket.destroy()
      }),
  }
}
