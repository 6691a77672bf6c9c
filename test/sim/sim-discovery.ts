import type { Effect } from '../../src/engine/effect.ts'
import type { RankedPeer } from '../../src/engine/ranks.ts'
import { createTracker, stepTracker, trackerWakeAtMs, type TrackerState } from '../../src/engine/tracker.ts'
import type { TrackerEffect, TrackerEvent } from '../../src/engine/tracker-event.ts'
import type { EventKind } from './event-queue.ts'
import { FirstRound } from './first-round.ts'
import { LeaseAnswers } from './lease-answers.ts'
import type { LinkEnd } from './link-table.ts'
import type { SimNode } from './sim-node.ts'
import type { SimWorld } from './sim-world.ts'
import { sizeOfTold, Topic, type Told } from './topic.ts'
import { misleading } from './tracker-faults.ts'

/** Nodes that a node looks at to find the ranks of a digest. */
const rankCount = 8
/** How often it is looked whether a node that loads needs more links. */
const lookEveryMs = 500

interface Seat {
  readonly tracker: TrackerState
  readonly round: FirstRound
  wakeMs: number
}

/**
 * What trackers do: each node has the engine's tracker, walks to the topic as production does, asks for leases through it and
 * answers those of others.
 */
export class SimDiscovery {
  readonly #world: SimWorld
  readonly topic: Topic
  readonly #seats: Seat[] = []
  readonly #answers: LeaseAnswers
  readonly #told: EventKind<Told>
  readonly #worked: EventKind<Told>
  readonly #wake: EventKind<undefined>
  readonly #look: EventKind<undefined>
  readonly #roundDue: EventKind<undefined>
  readonly #tired: EventKind<undefined>

  constructor(world: SimWorld) {
    const { events, nodes, topology } = world
    this.#world = world
    this.topic = new Topic(world)
    this.#answers = new LeaseAnswers(world)
    for (const node of nodes) {
      const self = { ...this.topic.ranked(node.index), location: topology.location(node.index) }
      const tracker = createTracker({ self, random: node.random })
      this.#seats.push({ tracker, round: new FirstRound(world, node), wakeMs: Infinity })
    }
    this.#told = events.register<Told>((end, _, message) => this.#onTold(end, message))
    this.#worked = events.register<Told>((end, _, message) => this.#take(end, message))
    this.#wake = events.register((node) => this.#onWake(nodes[node]!))
    this.#look = events.register((node) => this.#onLook(nodes[node]!))
    this.#roundDue = events.register((node) => this.#seats[node]!.round.wake())
    this.#tired = events.register((node) => this.#seats[node]!.round.tire())
  }

  /** All nodes learn whom they know before the run, and begin to look after their links, each at its own time. */
  prepare(): void {
    for (const node of this.#world.nodes) {
      this.#world.events.at(node.random.next() * lookEveryMs, this.#look, node.index, 0)
      for (const known of this.topic.places.view(node.index, node.random)) this.topic.introduce(node, known, 'dht')
    }
  }

  /** A node begins to want the blob. */
  start(node: SimNode): void {
    const { dialling, counters } = this.#world
    counters.joins++
    for (const end of node.ends) this.tell(end, { type: 'join', asks: false })
    dialling.dialReady(node)
    this.#seats[node.index]!.round.start()
  }

  /** @param refused - the other one is there, but took nobody in */
  dialEnded(node: SimNode, to: number, refused = false): void {
    if (!node.endTo.has(to)) this.#step(node, { type: 'connect:failed', key: String(to), refused })
    this.#seats[node.index]!.round.dialEnded(to)
    this.#answers.dialEnded(node, to)
  }

  linkOpened(node: SimNode, end: LinkEnd): void {
    const other = this.#world.links.nodeAt(end ^ 1)
    const peer = { ...this.topic.ranked(other), location: this.#world.topology.location(other) }
    this.#step(node, { type: 'link:opened', link: end, peer })
    // A new peer hears what we gather around; of what we load, it tells us whom it knows.
    if (node.started) this.tell(end, { type: 'join', asks: !node.done })
  }

  linkClosed(node: SimNode, end: LinkEnd): void {
    this.#step(node, { type: 'link:closed', link: end })
  }

  askLease(node: SimNode, { number, count, held, wanted, rateBytesPerSecond }: Effect & { type: 'ask-lease' }): void {
    this.#world.counters.leaseAsks++
    const ask = { number, count, held, wanted, rateBytesPerSecond }
    this.#step(node, { type: 'lease:wanted', blob: this.topic.blob, ask, ranks: this.#ranks(node) })
  }

  /** Sends a message to the other end of a link. */
  tell(end: LinkEnd, message: Told): void {
    const { events, links, counters } = this.#world
    counters.controlBytes += sizeOfTold(message)
    events.atWith(links.arrivalMs(end, events.now), this.#told, end ^ 1, 0, message)
  }

  /** The node that is the first tracker of the blob, of those that live. */
  firstTracker(): SimNode | undefined {
    const { nodes } = this.#world
    return nodes.filter((node) => node.alive).reduce<SimNode | undefined>(
      (first, node) => (!first || this.topic.isNearer(node.index, first.index) ? node : first),
      undefined,
    )
  }

  /** Nodes that hold leases, as the trackers see it. */
  holders(): string[] {
    const { now } = this.#world.events
    return this.#seats.flatMap(({ tracker }) => [...tracker.desk.books.values()].flatMap((book) => book.holders(now)))
  }

  /** Plans a timer of a node's search. */
  wakeRoundAt(node: SimNode, atMs: number): void {
    this.#world.events.at(atMs, this.#roundDue, node.index, 0)
  }

  tireAt(node: SimNode, atMs: number): void {
    this.#world.events.at(atMs, this.#tired, node.index, 0)
  }

  #ranks(node: SimNode): RankedPeer[] {
    return this.topic.ranks(node, rankCount)
  }

  #onTold(end: LinkEnd, message: Told): void {
    const { events, links, nodes, options } = this.#world
    const node = nodes[links.nodeAt(end)]!
    if (!node.alive || !links.isOpen(end) || links.isCut(end)) return
    links.hear(end, events.now)
    if (message.type !== 'join' || !message.asks) return this.#take(end, message)
    events.atWith(node.work(options.joinMs), this.#worked, end, 0, message)
  }

  #take(end: LinkEnd, message: Told): void {
    const { links, nodes } = this.#world
    const node = nodes[links.nodeAt(end)]!
    if (!node.alive || !links.isOpen(end)) return
    const { digest: topic, place, blob } = this.topic
    switch (message.type) {
      case 'join':
        this.#step(node, { type: 'topic:joined', link: end, topic, place, asks: message.asks, ranks: message.asks ? this.#ranks(node) : [] })
        break
      case 'members':
        if (message.guest) this.#world.dialling.becameGuest(end)
        for (const key of [...message.members, ...message.nearer]) this.topic.introduce(node, Number(key), 'tracker')
        this.#step(node, { type: 'members:told', topic, members: this.topic.membersOf(message.members) })
        this.#world.dialling.dialReady(node)
        this.#seats[node.index]!.round.answered(links.nodeAt(end ^ 1), message)
        break
      case 'lease-ask': {
        const lie = misleading(this.#world.options.tracker, message.ask)
        if (lie) return this.tell(end, { type: 'lease', holder: message.ask.holder, answer: lie })
        this.#step(node, { type: 'lease:asked', link: end, blob, ask: message.ask, ranks: this.#ranks(node) })
        break
      }
      case 'lease':
        this.#step(node, { type: 'lease:told', link: end, digest: topic, holder: message.holder, answer: message.answer })
        break
    }
  }

  #step(node: SimNode, event: TrackerEvent): void {
    if (!node.alive) return
    const { events, options } = this.#world
    const seat = this.#seats[node.index]!
    for (const effect of stepTracker(seat.tracker, event, events.now)) this.#carryOut(node, effect)
    if (options.check) {
      for (const book of seat.tracker.desk.books.values()) {
        for (const rule of book.broken(events.now)) throw new Error(`the book of node ${node.index} at ${events.now} ms: ${rule}`)
      }
    }
    const wakeMs = trackerWakeAtMs(seat.tracker) ?? Infinity
    if (wakeMs >= seat.wakeMs) return
    seat.wakeMs = wakeMs
    events.at(wakeMs, this.#wake, node.index, 0)
  }

  #carryOut(node: SimNode, effect: TrackerEffect): void {
    switch (effect.type) {
      case 'introduce':
        this.tell(effect.link, {
          type: 'members',
          busy: effect.busy,
          guest: this.#world.links.isGuest(effect.link),
          members: effect.members,
          nearer: effect.nearer,
        })
        break
      case 'send-ask':
        this.tell(effect.link, { type: 'lease-ask', ask: effect.ask })
        break
      case 'send-lease':
        this.tell(effect.link, { type: 'lease', holder: effect.holder, answer: effect.answer })
        break
      case 'connect':
        if (!this.#world.dialling.connect(node, Number(effect.key))) {
          this.#step(node, { type: 'connect:failed', key: effect.key, refused: false })
        }
        break
      case 'answer':
        this.#answers.answer(node, effect.answer)
        break
      case 'silent':
        this.#world.counters.leaseSilences++
        node.dispatch({ type: 'lease:silent', swarmSize: node.book.estimateNodeCount() })
        break
      case 'tracker-lost':
        node.dispatch({ type: 'tracker:lost' })
        break
      case 'send-hold-off':
        break
    }
  }

  #onWake(node: SimNode): void {
    const seat = this.#seats[node.index]!
    if (seat.wakeMs !== this.#world.events.now) return
    seat.wakeMs = Infinity
    this.#step(node, { type: 'tick' })
  }

  #onLook(node: SimNode): void {
    if (!node.alive) return
    this.#world.dialling.dismissGuests(node)
    this.#world.dialling.dialReady(node)
    if (!node.done) this.#seats[node.index]!.round.look()
    this.#world.events.at(this.#world.events.now + lookEveryMs, this.#look, node.index, 0)
  }
}
