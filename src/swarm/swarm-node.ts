import { CleanUp } from '../core/clean-up.ts'
import type { Digest } from '../core/digest.ts'
import { TransferError, type PeerError } from '../core/errors.ts'
import type { Origin } from '../core/origin.ts'
import type { LinkId } from '../engine/session-event.ts'
import { guestsPerLink, LinkBook } from '../engine/links.ts'
import type { Discovery } from '../discovery/discovery.ts'
import type { IncomingRequest, Link } from '../net/link.ts'
import { LinkHost } from '../net/link-host.ts'
import type { Libp2pNode } from '../net/libp2p-node.ts'
import { overLimit } from '../net/peer-errors.ts'
import { MemberAddresses } from '../net/member-addresses.ts'
import type { ManifestResolver } from '../oci/manifest-resolver.ts'
import type { ControlMessage, Location } from '../wire/messages.ts'
import { protocolVersion } from '../wire/protocol.ts'
import { BlobFetcher } from './blob-fetcher.ts'
import { Calls } from './calls.ts'
import { ImageFetcher } from './image-fetcher.ts'
import { explainBlob, type Explanation } from './explanation.ts'
import { HostWatch } from './host-watch.ts'
import { InlineBlobs } from './inline-blobs.ts'
import { JoinWalker } from './join-walker.ts'
import type { Leases } from './leases.ts'
import { LinkManager } from './link-manager.ts'
import { MessageBudget } from './message-budget.ts'
import { placeOf } from './node-order.ts'
import type { PeerBans } from './peer-bans.ts'
import { Relay } from './relay.ts'
import { Seeding } from './seeding.ts'
import { SessionTable } from './session-table.ts'
import { SizeFinder } from './size-finder.ts'
import type { LinkEntry, SwarmContext } from './swarm-context.ts'
import type { SwarmStats } from './swarm-stats.ts'
import { TopicTable, type TopicDiscovery } from './topic-table.ts'
import { TrackerService } from './tracker-service.ts'
import { UploadService } from './upload-service.ts'

/** The parts that `createSwarm` made or was given. */
export interface SwarmNodeInit {
  readonly context: Omit<SwarmContext, 'links' | 'leases' | 'reads'>
  readonly resolver: ManifestResolver
  readonly location: Location
  readonly maxLinks: number
  readonly node: Libp2pNode
  /** Whether a peer that says it is a supernode is one for us. */
  readonly isSupernode: (link: Link) => boolean
  readonly bans: PeerBans
  /** Closes what was made for this node alone, in order. */
  readonly release: () => Promise<void>
}

/** One node: wires sessions, links, uploads and discovery together, and ends them in the right order. */
export class SwarmNode {
  readonly context: SwarmContext
  readonly resolver: ManifestResolver
  readonly node: Libp2pNode
  readonly #host: LinkHost
  readonly blobs: BlobFetcher
  readonly images: ImageFetcher
  readonly seeding: Seeding
  readonly #links: LinkManager
  readonly #topics: TopicTable
  readonly #walker: JoinWalker
  readonly #tracker: TrackerService
  readonly #inline: InlineBlobs
  readonly #hosts: HostWatch
  readonly #sessions: SessionTable
  readonly #sizes: SizeFinder
  readonly #uploads: UploadService
  readonly #detachBans: () => void
  readonly #release: () => Promise<void>
  readonly calls: Calls = new Calls()
  readonly #messages = new MessageBudget()
  readonly #received = { origin: 0, peers: 0 }
  #discovery: Discovery | undefined
  #closed: Promise<void> | undefined

  constructor(init: SwarmNodeInit) {
    const links = new Map<LinkId, LinkEntry>()
    const context = {
      ...init.context,
      emit: this.#counted(init.context.emit),
      links,
      leases: {
        ask: (...ask: Parameters<Leases['ask']>) => this.#tracker.ask(...ask),
        forget: (...forget: Parameters<Leases['forget']>) => this.#tracker.forget(...forget),
        handIn: (digest: Digest) => this.#tracker.handIn(digest),
      },
      reads: (origin: Origin) => this.#hosts.reads(origin),
    }
    this.context = context
    this.resolver = init.resolver
    this.#release = init.release
    this.#sessions = new SessionTable(context)
    this.#sizes = new SizeFinder(context)
    this.#uploads = new UploadService(context, (session) => this.#sessions.lost(session))
    this.node = init.node
    this.#host = new LinkHost({
      node: init.node,
      hello: () => ({ type: 'hello', version: protocolVersion, supernode: context.supernode, location: init.location }),
      handlers: {
        opened: (link) => this.#links.opened(link),
        closed: (link, error, byPeer) => {
          this.#links.closed(link, byPeer)
          if (error) this.#blame(link, error)
        },
        message: (link, message) => this.#receive(link, message),
        request: (request) => void this.#serve(request),
        streamReset: () => context.metrics.add('damselfly_streams_reset_total', 1, { reason: 'excess' }),
      },
      clock: context.clock,
      logger: context.logger,
      maxLinks: init.maxLinks * (1 + guestsPerLink),
      isBanned: (peerId) => init.bans.isBanned(peerId),
    })
    const { location, maxLinks, isSupernode } = init
    const { supernode } = context
    const addresses = new MemberAddresses(init.node)
    const place = placeOf(context.selfId)
    this.#links = new LinkManager({
      context,
      host: this.#host,
      book: new LinkBook(this.peerId, maxLinks, context.random, {
        location,
        supernode,
        placeOf: (peerId) => (peerId === this.peerId ? place : placeOf(addresses.idOf(peerId))),
      }),
      addresses,
      self: { key: this.peerId, place, supernode, location },
      isSupernode,
      handlers: {
        opened: (entry) => {
          this.#tracker.opened(entry)
          this.#topics.introduceTo(entry)
          if (entry.guest) return
          this.#sessions.attach(entry)
          this.#sizes.attach(entry)
        },
        closed: (entry) => {
          this.#tracker.linkClosed(entry)
          context.sharing.closed(entry)
          this.#sessions.detach(entry.id)
          this.#sizes.detach(entry.id)
        },
      },
    })
    this.#walker = new JoinWalker(context, this.#links, (topic) => this.#topics.isLoading(topic))
    this.#topics = new TopicTable(context, this.#links, this.#walker)
    this.#inline = new InlineBlobs(context, (digest, blob) => {
      this.#sizes.arrived(digest, blob.bytes.byteLength)
      void this.#sessions.get(digest)?.takeInline(blob)
    })
    this.#tracker = new TrackerService({
      context,
      links: this.#links,
      walker: this.#walker,
      addresses,
      inline: this.#inline,
      becameGuest: (entry) => {
        this.#links.becameGuest(entry)
        this.#sessions.detach(entry.id)
      },
      heldOff: (topic, durationMs) => this.#hosts.heldOff(topic, durationMs),
    })
    this.#hosts = new HostWatch(context, init.resolver.registries.hostGates, this.#walker, (topic, durationMs) =>
      this.#tracker.holdOff(topic, durationMs),
    )
    const [topics, sessions, sizes, inline] = [this.#topics, this.#sessions, this.#sizes, this.#inline]
    this.blobs = new BlobFetcher({ context, sessions, topics, sizes, inline })
    this.images = new ImageFetcher(context, init.resolver, this.blobs)
    this.seeding = new Seeding(context, topics, this.blobs, this.images)
    context.sharing.onChange = (digests) => {
      sessions.reconsider(digests)
      if (!digests || digests.some((digest) => context.sharing.isRefused(digest))) void this.seeding.review()
    }
    const { node, bans } = init
    const { emit } = context
    this.#detachBans = bans.attach({ node, emit, closeLink: (peerId, error) => this.#host.get(peerId)?.close(error) })
    if (supernode) sessions.relayBy(new Relay(context, this.blobs, this.calls.closing))
  }

  get peerId(): string {
    return this.node.peerId.toString()
  }

  /** What discoveries ask for peers that are worth a link whatever the topic. */
  get connect(): LinkManager['connect'] {
    return (peer, foundBy) => this.#links.connect(peer, foundBy)
  }

  /** What discoveries tell of nodes that exist. */
  get met(): LinkManager['met'] {
    return (peer) => this.#links.met(peer)
  }

  /** Links are accepted from now on. */
  listen(): Promise<void> {
    return this.#host.start()
  }

  async start(discovery: Discovery & TopicDiscovery): Promise<void> {
    this.#discovery = discovery
    this.#topics.start(discovery)
    await this.seeding.resume(this.calls.closing)
  }

  stats(): SwarmStats {
    const links = [...this.context.links.values()].map(({ link, foundBy }) => ({
      peerId: link.peerId,
      remoteAddress: link.remoteAddress,
      foundBy: [...foundBy],
      inbound: link.inbound,
    }))
    return { peerId: this.peerId, links, bytes: { ...this.#received, ...this.#uploads.served } }
  }

  /** What became of a blob here, and why. */
  explain(digest: Digest): Explanation {
    const { history, links } = this.context
    return explainBlob(digest, this.#sessions.get(digest), history, links)
  }

  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  async #close(): Promise<void> {
    this.calls.end(new TransferError('ERR_SWARM_CLOSED', 'the swarm was closed'))
    // One that fails does not keep the others open. The last one named is closed first.
    await using parts = new CleanUp()
    parts.defer(() => this.#release())
    parts.defer(() => this.context.sharing.close())
    parts.defer(async () => this.#detachBans())
    parts.defer(() => this.#host.stop())
    parts.defer(async () => this.#tracker.close())
    parts.defer(() => this.#sessions.close())
    parts.defer(async () => this.#discovery?.close())
    parts.defer(() => this.#links.close())
    parts.defer(async () => {
      this.#hosts.close()
      this.#topics.close()
      this.#walker.close()
    })
    await this.calls.ended()
  }

  #receive(link: Link, message: ControlMessage): void {
    const entry = this.#links.entryOf(link)
    if (!entry) return
    const now = this.context.clock.monotonicMs()
    entry.heardMs = now
    if (!this.#messages.allows(entry, message, now)) return link.close(overLimit('the peer asks too much in too little time'))
    switch (message.type) {
      case 'hello':
        break
      case 'grant':
        this.context.sharing.receive(entry, message)
        break
      case 'join':
        this.#tracker.joined(entry, message)
        this.blobs.joined(entry, message)
        break
      case 'members':
        this.#tracker.introduced(entry, message)
        break
      case 'inline':
        this.#inline.receive(entry, message)
        break
      case 'lease-ask':
        this.#tracker.leaseAsked(entry, message)
        break
      case 'lease':
        this.#tracker.leaseTold(entry, message)
        break
      case 'hold-off':
        this.#tracker.holdOffTold(entry, message)
        break
      default:
        if (message.type === 'bitfield') this.#sizes.receive(entry, message)
        this.#sessions.receive(entry, message)
    }
  }

  /** Why we ended a link. What is no fault of an honest peer is remembered. */
  #blame({ peerId }: Link, { code }: PeerError): void {
    const { bans, metrics } = this.context
    metrics.add('damselfly_links_ended_total', 1, { code })
    if (code === 'ERR_PEER_PROTOCOL') bans.suspect(peerId, 'protocol')
    if (code === 'ERR_PEER_LIMIT') bans.suspect(peerId, 'limit')
  }

  async #serve(request: IncomingRequest): Promise<void> {
    const entry = this.#links.entryOf(request.link)
    const session = await this.#sessions.serving(request.digest).catch((error: unknown) => {
      this.context.logger.warn('a blob could not be opened for a peer', { digest: request.digest, error })
      return undefined
    })
    if (!entry || entry.guest || request.signal.aborted) return request.absent()
    this.#uploads.take(entry, request, session)
    // A whole blob is read from the store, session or not.
    if (session) this.#sessions.release(session)
  }

  #counted(emit: SwarmContext['emit']): SwarmContext['emit'] {
    return (name, detail) => {
      if (name === 'blob:stored' && 'stats' in detail) {
        this.#received.origin += detail.stats.bytes.origin
        this.#received.peers += detail.stats.bytes.peers
      }
      emit(name, detail)
    }
  }
}
