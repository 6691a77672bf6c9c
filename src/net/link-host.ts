import type { Clock } from '../core/clock.ts'
import { PeerError } from '../core/errors.ts'
import type { Logger } from '../core/log.ts'
import type { AbortOptions } from '../core/options.ts'
import { SharedAttempts } from '../core/shared-attempts.ts'
import type { Hello } from '../wire/messages.ts'
import { controlProtocol, limits, pieceProtocol } from '../wire/protocol.ts'
import { violation } from '../wire/violation.ts'
import { dialNode, type DialTarget } from './dial-node.ts'
import { Greeting } from './greeting.ts'
import type { Libp2pNode } from './libp2p-node.ts'
import type { Libp2pConnection, Libp2pStream } from './libp2p-types.ts'
import type { Link, LinkHandlers } from './link.ts'
import { overLimit, unreachable } from './peer-errors.ts'
import { PeerLink, type PeerLinkInit } from './peer-link.ts'

/** One, and those that take its place when both ends dial, or when one end has lost the link. */
const controlStreams = 4
/** Control bytes that wait for peers that read slowly, over all links. */
const maxBacklogBytes = 64 * 1024 * 1024

/** What a {@link LinkHost} works with. */
export interface LinkHostInit {
  readonly node: Libp2pNode
  /** What we say of ourselves; asked for at each new link. */
  readonly hello: () => Hello
  readonly handlers: LinkHandlers
  readonly clock: Clock
  readonly logger: Logger
  /** Links open at once, whoever opened them. */
  readonly maxLinks: number
  /** Whether to have nothing to do with a peer. @defaultValue nobody is refused */
  readonly isBanned?: ((peerId: string) => boolean) | undefined
}

/** Opens links, answers those who open one to us, and keeps one to each peer at most. */
export class LinkHost {
  readonly #init: LinkHostInit
  readonly #links = new Map<string, PeerLink>()
  /** By peer: control streams that are not a link yet, opened by us and by the peers. */
  readonly #outgoing = new Map<string, Greeting>()
  readonly #incoming = new Map<string, Greeting>()
  readonly #dials = new SharedAttempts<PeerLink>()
  #running = false

  constructor(init: LinkHostInit) {
    this.#init = init
  }

  /** Answers peers from now on. Best called before the libp2p node starts, so that none is turned away. */
  async start(): Promise<void> {
    const { node } = this.#init
    this.#running = true
    await node.handle(controlProtocol, this.#onControlStream, {
      maxInboundStreams: controlStreams,
      maxOutboundStreams: controlStreams,
    })
    await node.handle(pieceProtocol, this.#onPieceStream, {
      maxInboundStreams: limits.dataStreams,
      maxOutboundStreams: limits.dataStreams,
    })
  }

  /** Closes all links and gives up all dials. The libp2p node goes on. */
  async stop(): Promise<void> {
    if (!this.#running) return
    this.#running = false
    const stopped = unreachable('this node closes its links')
    const dialsEnded = this.#dials.abortAll(stopped)
    for (const greetings of [this.#outgoing, this.#incoming]) {
      for (const greeting of greetings.values()) greeting.fail(stopped)
    }
    for (const link of this.#links.values()) link.close()
    await this.#init.node.unhandle([controlProtocol, pieceProtocol])
    await dialsEnded
  }

  get(peerId: string): Link | undefined {
    return this.#links.get(peerId)
  }

  links(): Iterable<Link> {
    return this.#links.values()
  }

  /**
   * Links to a node; resolves to the open link if there is one. Calls for one node share an attempt.
   *
   * @param target - where the node is; without a peer id, whoever answers there
   * @throws {@link PeerError} `ERR_PEER_UNREACHABLE`, `ERR_PEER_PROTOCOL` when it is none of our nodes,
   * `ERR_PEER_LIMIT` when `maxLinks` are open, `ERR_PEER_REFUSED` when the peer is banned
   * @throws `signal.reason` when aborted
   */
  async dial(target: DialTarget, options: AbortOptions = {}): Promise<Link> {
    options.signal?.throwIfAborted()
    const open = target.peerId === undefined ? undefined : this.#links.get(target.peerId)
    if (open) return open
    if (!this.#running) throw unreachable('this node is not started, or was closed')
    if (target.peerId !== undefined && this.#isBanned(target.peerId)) throw banned()
    if (this.#isFull) throw this.#full()
    const key = target.peerId ?? target.addresses.toSorted().join(' ')
    return this.#dials.join(key, (signal) => this.#connect(target, signal), options.signal)
  }

  async #connect(target: DialTarget, signal: AbortSignal): Promise<PeerLink> {
    const { node, clock } = this.#init
    const known = new Set(node.getConnections().map(({ id }) => id))
    const connection = await dialNode(node, target, { clock, signal })
    try {
      return await this.#linkOver(connection, signal)
    } finally {
      const link = this.#links.get(connection.remotePeer.toString())
      if (link?.connection !== connection && !known.has(connection.id)) discard(connection)
    }
  }

  async #linkOver(connection: Libp2pConnection, signal: AbortSignal): Promise<PeerLink> {
    const peerId = connection.remotePeer.toString()
    for (;;) {
      signal.throwIfAborted()
      const link = this.#links.get(peerId)
      if (link) return link
      const underWay = this.#incoming.get(peerId) ?? this.#outgoing.get(peerId)
      if (!underWay) return this.#greetOver(connection, signal)
      // Either becomes the link that we want, or makes way for ours.
      await underWay.done.catch(() => {})
    }
  }

  async #greetOver(connection: Libp2pConnection, signal: AbortSignal): Promise<PeerLink> {
    const peerId = connection.remotePeer.toString()
    const greeting = this.#greeting(connection, false)
    const giveUp = (): void => greeting.fail(unreachable('the dial was given up', signal.reason))
    signal.addEventListener('abort', giveUp, { once: true })
    connection.newStream(controlProtocol, { signal: greeting.signal }).then(
      (stream) => {
        greeting.hold(stream)
        greeting.start()
      },
      (error: unknown) => greeting.fail(notOpened(error)),
    )
    try {
      return await greeting.done
    } catch (error) {
      // Theirs may have been first, or may have waited for ours.
      const theirs = this.#incoming.get(peerId)?.done.catch(() => undefined)
      const link = this.#links.get(peerId) ?? (await theirs)
      if (link) return link
      throw error
    } finally {
      signal.removeEventListener('abort', giveUp)
    }
  }

  readonly #onControlStream = (stream: Libp2pStream, connection: Libp2pConnection): void => {
    const peerId = connection.remotePeer.toString()
    const link = this.#links.get(peerId)
    if (!this.#running || this.#isBanned(peerId) || (link ? this.#isToStay(link) : this.#isFull)) {
      stream.abort(new PeerError('ERR_PEER_REFUSED', 'no link to this peer is wanted now'))
      return
    }
    this.#incoming.get(peerId)?.fail(replaced())
    const greeting = this.#greeting(connection, true)
    greeting.hold(stream)
    // If ours is the one to stay, theirs waits: should ours fail, it is needed after all.
    if (!(this.#outgoing.has(peerId) && this.#winsOver(connection))) greeting.start()
  }

  readonly #onPieceStream = (stream: Libp2pStream, connection: Libp2pConnection): void => {
    const link = this.#links.get(connection.remotePeer.toString())
    if (link) link.accept(stream)
    else stream.abort(violation('it opened a data stream without a link'))
  }

  #greeting(connection: Libp2pConnection, inbound: boolean): Greeting {
    const peerId = connection.remotePeer.toString()
    const table = inbound ? this.#incoming : this.#outgoing
    const { clock, hello } = this.#init
    const greeting = new Greeting({
      clock,
      hello,
      isCrowded: () => this.#isCrowded(),
      open: (opened, control, theirs) =>
        this.#open(opened, { connection, control, hello: theirs, inbound }),
    })
    table.set(peerId, greeting)
    const ended = (): void => {
      if (table.get(peerId) === greeting) table.delete(peerId)
      if (!inbound) this.#incoming.get(peerId)?.start()
    }
    greeting.done.then(ended, ended)
    return greeting
  }

  #open(greeting: Greeting, facts: Omit<PeerLinkInit, 'clock' | 'handlers'>): PeerLink {
    const { clock, handlers, logger } = this.#init
    const peerId = facts.connection.remotePeer.toString()
    const before = this.#links.get(peerId)
    if (this.#isBanned(peerId)) throw banned()
    if (!before && this.#isFull) throw this.#full()
    const link = new PeerLink({
      ...facts,
      clock,
      handlers: {
        message: (from, message) => handlers.message(from, message),
        request: (request) => handlers.request(request),
        streamReset: (from) => handlers.streamReset?.(from),
        closed: (closed, error, byPeer) => {
          if (this.#links.get(peerId) === link) this.#links.delete(peerId)
          if (error) logger.debug('a link was closed', { peer: peerId, error })
          handlers.closed(closed, error, byPeer)
        },
      },
    })
    before?.close(replaced())
    for (const other of [this.#outgoing.get(peerId), this.#incoming.get(peerId)]) {
      if (other !== greeting) other?.fail(replaced())
    }
    this.#links.set(peerId, link)
    handlers.opened(link)
    return link
  }

  /**
   * Whether both ends dialled at once and this link is the one to stay. If it is older than that, the peer has lost it,
   * and we have not noticed.
   */
  #isToStay(link: PeerLink): boolean {
    const ageMs = this.#init.clock.monotonicMs() - link.openedMs
    return !link.inbound && ageMs < limits.greetingMs && this.#winsOver(link.connection)
  }

  /** Of two control streams that were opened at once, the one of the node whose peer id sorts first stays. */
  #winsOver(connection: Libp2pConnection): boolean {
    const ours = this.#init.node.peerId.toMultihash().bytes
    return Buffer.compare(ours, connection.remotePeer.toMultihash().bytes) < 0
  }

  #isCrowded(): boolean {
    let bytes = 0
    for (const link of this.#links.values()) bytes += link.backlogBytes
    return bytes > maxBacklogBytes
  }

  #isBanned(peerId: string): boolean {
    return this.#init.isBanned?.(peerId) ?? false
  }

  get #isFull(): boolean {
    return this.#links.size >= this.#init.maxLinks
  }

  #full(): PeerError {
    return overLimit(`this node keeps ${this.#init.maxLinks} links at most`)
  }
}

/** Closes a connection that was opened for a link and carries none. */
function discard(connection: Libp2pConnection): void {
  connection.close().catch((error: Error) => connection.abort(error))
}

function notOpened(cause: unknown): PeerError {
  return cause instanceof Error && cause.name === 'UnsupportedProtocolError'
    ? new PeerError('ERR_PEER_PROTOCOL', `the node does not speak ${controlProtocol}`, { cause })
    : unreachable('no control stream could be opened', cause)
}

function banned(): PeerError {
  return new PeerError('ERR_PEER_REFUSED', 'this node has banned the peer for a while')
}

function replaced(): PeerError {
  return unreachable('another link to the same peer took its place')
}
