import type { Digest } from '../../src/core/digest.ts'
import type { PeerError } from '../../src/core/errors.ts'
import type { Logger } from '../../src/core/log.ts'
import { silentLogger } from '../../src/core/log.ts'
import { seededRandom } from '../../src/core/random.ts'
import { noMetrics } from '../../src/metrics/metrics.ts'
import type { LinkId } from '../../src/engine/session-event.ts'
import { DialFilter } from '../../src/net/dial-filter.ts'
import type { Link, PieceSink } from '../../src/net/link.ts'
import { memoryBackend } from '../../src/store/memory-backend.ts'
import { PieceStore } from '../../src/store/piece-store.ts'
import { InFlightBudget } from '../../src/swarm/in-flight-budget.ts'
import { RequestLane } from '../../src/swarm/request-lane.ts'
import { RepositoryVerdicts } from '../../src/swarm/repository-verdicts.ts'
import { Sharing, type SharingInit } from '../../src/swarm/sharing.ts'
import type { LinkEntry, SwarmContext } from '../../src/swarm/swarm-context.ts'
import { fakeClock, type FakeClock } from '../../src/testing/fake-clock.ts'
import type { ControlMessage } from '../../src/wire/messages.ts'
import { BlobHistories } from '../../src/swarm/blob-history.ts'
import { placeOf } from '../../src/swarm/node-order.ts'
import { signer } from './signer.ts'
import { grantAll } from './generous-tracker.ts'

/** A request that went out over a {@link ScriptedLink}. */
export interface ScriptedRequest {
  readonly digest: Digest
  readonly piece: number
  readonly sizeBytes: number
  readonly sink: PieceSink
  cancelled: boolean
}

/** A link whose other end is the test: it collects what is sent, and answers when it is told to. */
export class ScriptedLink implements Link {
  readonly peerId: string
  readonly peerIdBytes: Uint8Array
  readonly hello = {
    type: 'hello',
    version: 1,
    supernode: false,
    location: { region: '', zone: '', rack: '' },
  } as const
  readonly inbound = true
  readonly remoteAddress = '/ip4/127.0.0.1/tcp/1'
  readonly sent: ControlMessage[] = []
  /** Requests that are on the wire. */
  readonly open: ScriptedRequest[] = []
  readonly #streams: number
  /** Requests that were made while none was free. */
  refused = 0
  closed = false
  closedWith: PeerError | undefined

  constructor(peerId: string, streams = 4) {
    this.peerId = peerId
    this.peerIdBytes = Buffer.from(peerId)
    this.#streams = streams
  }

  get freeRequests(): number {
    return this.closed ? 0 : this.#streams - this.open.length
  }

  send(message: ControlMessage): void {
    this.sent.push(message)
  }

  request(digest: Digest, piece: number, sizeBytes: number, sink: PieceSink): () => void {
    if (this.freeRequests <= 0) this.refused++
    const request = { digest, piece, sizeBytes, sink, cancelled: false }
    this.open.push(request)
    return () => {
      request.cancelled = true
      this.#remove(request)
    }
  }

  /** Ends a request, the oldest one unless another is named. */
  answer(how: (sink: PieceSink) => void, request: ScriptedRequest | undefined = this.open[0]): void {
    if (!request) return
    this.#remove(request)
    how(request.sink)
  }

  /** Gives a piece that was asked for, whole. */
  give(piece: number, bytes: Uint8Array): void {
    this.answer((sink) => {
      sink.header(bytes.byteLength)
      sink.chunk(bytes)
      sink.end()
    }, this.open.find((request) => request.piece === piece))
  }

  close(error?: PeerError): void {
    this.closed = true
    this.closedWith ??= error
  }

  #remove(request: ScriptedRequest): void {
    const index = this.open.indexOf(request)
    if (index >= 0) this.open.splice(index, 1)
  }
}

/** A node's context over memory and a clock that stands still, with links that a test adds. */
export interface ScriptedNode extends AsyncDisposable {
  readonly context: SwarmContext
  readonly clock: FakeClock
  readonly store: PieceStore
  readonly budget: InFlightBudget
  /** Names of the events that were emitted, in order. */
  readonly events: string[]
  link(id: LinkId): { entry: LinkEntry; link: ScriptedLink }
  unlink(id: LinkId): void
}

export async function scriptedNode(
  options: { closedNetwork?: boolean; inFlightBytes?: number; logger?: Logger } & Partial<Pick<SharingInit, 'rules' | 'grants' | 'authorize' | 'beforeSeed'>> = {},
): Promise<ScriptedNode> {
  const { closedNetwork = false, inFlightBytes = 64 * 1024 * 1024, logger = silentLogger } = options
  const clock = fakeClock()
  const store = await PieceStore.open(memoryBackend(), { clock })
  const links = new Map<LinkId, LinkEntry>()
  const budget = new InFlightBudget(inFlightBytes)
  const events: string[] = []
  const verdicts = await RepositoryVerdicts.open({ store, clock, logger })
  const emit = (name: string): void => void events.push(name)
  const { rules = [], grants = [], authorize, beforeSeed } = options
  const sharing = new Sharing({ rules, grants, authorize, beforeSeed, verdicts, clock, logger, closedNetwork, withheld: () => emit('sharing:withheld') })
  const context: SwarmContext = {
    store,
    clock,
    random: seededRandom(1),
    logger,
    metrics: noMetrics,
    emit,
    selfId: Buffer.from('self'),
    identity: signer('self'),
    trusts: () => closedNetwork,
    closedNetwork,
    bans: { convict: () => ({ reverse() {} }), suspect() {}, vouch() {}, isBanned: () => false },
    dialFilter: new DialFilter({ ranges: ['0.0.0.0/0'], own: () => ({ listening: [], machine: [] }) }),
    sharing,
    originAllowed: true,
    links,
    inFlightBytes,
    uploadBytes: inFlightBytes / 4,
    supernode: false,
    history: new BlobHistories(clock),
    leases: {
      // A tracker that gives everybody what they ask for.
      ask: (_digest, _layout, ask, listener) => {
        if (ask.count > 0 || ask.held.length > 0) listener(grantAll(ask))
      },
      forget() {},
      handIn() {},
    },
    reads() {},
  }
  return {
    context,
    clock,
    store,
    budget,
    events,
    link(id) {
      const link = new ScriptedLink(`peer ${id}`)
      const lane = new RequestLane(link, budget)
      const facts = { place: placeOf(link.peerIdBytes), supernode: false, guest: false, heardMs: 0, distance: 2, foundBy: ['peers'] }
      const entry = { id, link, lane, ...facts, topics: new Set<Digest>(), blobs: new Set<Digest>() }
      links.set(id, entry)
      return { entry, link }
    },
    unlink: (id) => void links.delete(id),
    [Symbol.asyncDispose]: () => store.close(),
  }
}
