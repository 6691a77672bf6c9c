import { createHash, randomBytes } from 'node:crypto'
import { setImmediate } from 'node:timers/promises'
import type { Libp2p } from 'libp2p'
import { systemClock, type Clock } from '../../src/core/clock.ts'
import { digestFromBytes, type Digest } from '../../src/core/digest.ts'
import type { PeerError } from '../../src/core/errors.ts'
import { silentLogger } from '../../src/core/log.ts'
import { createDefaultNode, type DefaultNodeSettings } from '../../src/net/libp2p-node.ts'
import { LinkHost } from '../../src/net/link-host.ts'
import type { IncomingRequest, Link, PieceSink } from '../../src/net/link.ts'
import type { ControlMessage, Hello } from '../../src/wire/messages.ts'

const loopback = '/ip4/127.0.0.1/tcp/0'

/** What a node's handlers were told, and ways to wait for it. */
export class LinkLog {
  readonly opened: Link[] = []
  readonly closed: { link: Link; error: PeerError | undefined }[] = []
  readonly messages: ControlMessage[] = []
  onRequest: (request: IncomingRequest) => void = (request) => request.absent()
  #changed = Promise.withResolvers<void>()

  changed(): void {
    this.#changed.resolve()
    this.#changed = Promise.withResolvers()
  }

  async until(holds: (log: this) => boolean): Promise<void> {
    while (!holds(this)) await this.#changed.promise
  }
}

/** A node of the tests: libp2p on loopback, a link host, and what it heard. */
export interface TestNode extends AsyncDisposable {
  readonly node: Libp2p
  readonly host: LinkHost
  readonly log: LinkLog
  readonly peerId: string
  readonly addresses: readonly string[]
}

export interface TestNodeOptions extends DefaultNodeSettings {
  readonly clock?: Clock
  readonly maxLinks?: number
  readonly hello?: Partial<Hello>
}

export async function startNode(options: TestNodeOptions = {}): Promise<TestNode> {
  const { clock = systemClock, maxLinks = 16, hello, refusals } = options
  const node = await createDefaultNode({ listen: [loopback], ...options })
  const log = new LinkLog()
  const host = new LinkHost({
    node,
    clock,
    maxLinks,
    isBanned: (peerId) => refusals?.isBanned(peerId) ?? false,
    logger: silentLogger,
    hello: () => ({ ...plainHello, ...hello }),
    handlers: {
      opened: (link) => {
        log.opened.push(link)
        log.changed()
      },
      message: (_, message) => {
        log.messages.push(message)
        log.changed()
      },
      request: (request) => log.onRequest(request),
      closed: (link, error) => {
        log.closed.push({ link, error })
        log.changed()
      },
    },
  })
  await host.start()
  await node.start()
  return {
    node,
    host,
    log,
    peerId: node.peerId.toString(),
    addresses: node.getMultiaddrs().map(String),
    async [Symbol.asyncDispose]() {
      // If the other node was just closed, we notice first: libp2p waits half a second for a socket that broke meanwhile.
      await manyTurns()
      await host.stop()
      await node.stop()
    },
  }
}

export const plainHello: Hello = {
  type: 'hello',
  version: 1,
  supernode: false,
  location: { region: '', zone: '', rack: '' },
}

/** Two linked nodes; `there` is the second node's end of the link. */
export async function linkNodes(
  from: TestNode,
  to: TestNode,
): Promise<{ here: Link; there: Link }> {
  const here = await from.host.dial({ peerId: to.peerId, addresses: to.addresses })
  await to.log.until((log) =>
    log.opened.some((link) => link.peerId === from.peerId && !link.closed),
  )
  const there = to.host.get(from.peerId)
  if (!there) throw new TypeError('the link was closed at once')
  return { here, there }
}

/** How a request ended, and what was heard of it. */
export interface Answer {
  readonly kind: 'end' | 'busy' | 'absent' | 'failed'
  readonly sizeBytes: number
  readonly sha256: string
  readonly retryAfterMs?: number
  readonly error?: PeerError
}

/** A sink that hashes, and the promise of how it ended. */
export function hashingSink(): {
  sink: PieceSink
  answer: Promise<Answer>
  received: () => number
} {
  const { promise, resolve } = Promise.withResolvers<Answer>()
  const hash = createHash('sha256')
  let sizeBytes = 0
  const ended = (kind: Answer['kind'], more: Partial<Answer> = {}): void =>
    resolve({ kind, sizeBytes, sha256: hash.digest('hex'), ...more })
  return {
    answer: promise,
    received: () => sizeBytes,
    sink: {
      header() {},
      chunk(bytes) {
        sizeBytes += bytes.byteLength
        hash.update(bytes)
      },
      end: () => ended('end'),
      busy: (retryAfterMs) => ended('busy', { retryAfterMs }),
      absent: () => ended('absent'),
      failed: (error) => ended('failed', { error }),
    },
  }
}

/** Long enough for whatever is on its way between two nodes of this process to arrive. */
export async function manyTurns(): Promise<void> {
  for (let turn = 0; turn < 100; turn++) await setImmediate()
}

export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

export function someDigest(): Digest {
  return digestFromBytes(randomBytes(32))
}
