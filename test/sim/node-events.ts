import type { Effect } from '../../src/engine/effect.ts'
import type { LinkId, SessionEvent } from '../../src/engine/session-event.ts'
import type { EventKind } from './event-queue.ts'
import type { SimNode } from './sim-node.ts'
import type { SimWorld } from './sim-world.ts'

type TellHave = Effect & { readonly type: 'tell-have' }
type Told = SessionEvent & { readonly type: 'link:copy' | 'link:fetching' | 'link:forgot' | 'link:fresh' }

/** Digest, frame, encryption and the headers below them, of any message. */
const messageBytes = 110
/** A have goes with the piece's hash. */
const haveBytes = 36
const runBytes = 8
/** A session that gave up is wanted again after this long: whoever waits for it tries again. */
const retryMs = 1000
/** Haves over a partition each take their own time; the other classes are the distances. */
const heldClass = 4

/** What nodes do to each other and to themselves with a delay: messages between sessions, timers, the store. */
export class NodeEvents {
  readonly #world: SimWorld
  readonly #wake: EventKind<undefined>
  readonly #start: EventKind<undefined>
  readonly #told: EventKind<Told>
  readonly #haves: EventKind<readonly TellHave[]>
  readonly #store: EventKind<LinkId | 'origin'>
  readonly #checked: EventKind<undefined>
  readonly #retry: EventKind<undefined>
  /** One object for all haves: no session keeps the event itself. */
  readonly #have: { type: 'link:have'; link: LinkId; pieces: readonly number[] } = { type: 'link:have', link: 0, pieces: [] }
  readonly #byClass: TellHave[][] = [[], [], [], [], []]

  constructor(world: SimWorld) {
    const { events, nodes } = world
    this.#world = world
    this.#wake = events.register((node) => nodes[node]!.tick())
    this.#start = events.register((node) => nodes[node]!.start())
    this.#told = events.register<Told>((end, _, event) => this.#onTold(end, event))
    this.#haves = events.register<readonly TellHave[]>((_a, _b, haves) => this.#onHaves(haves))
    this.#store = events.register<LinkId | 'origin'>((node, piece, from) => nodes[node]!.store(piece, from))
    this.#checked = events.register((node) => nodes[node]!.dispatch({ type: 'blob:checked', ok: true }))
    this.#retry = events.register((node) => nodes[node]!.want())
  }

  startAt(node: SimNode, atMs: number): void {
    this.#world.events.at(atMs, this.#start, node.index, 0)
  }

  wake(node: SimNode, atMs: number): void {
    this.#world.events.at(atMs, this.#wake, node.index, 0)
  }

  storeLater(node: SimNode, piece: number, from: LinkId | 'origin'): void {
    const { events, options } = this.#world
    if (options.storeMs === 0) node.store(piece, from)
    else events.atWith(events.now + options.storeMs, this.#store, node.index, piece, from)
  }

  checkLater(node: SimNode): void {
    const { events, options } = this.#world
    events.at(events.now + options.checkMs, this.#checked, node.index, 0)
  }

  failed(node: SimNode): void {
    this.#world.counters.failures++
    this.#world.events.at(this.#world.events.now + retryMs, this.#retry, node.index, 0)
  }

  /** `event` is made for the other end already. */
  tell(event: Told): void {
    const { events, links, counters } = this.#world
    counters.controlBytes += messageBytes + sizeOf(event)
    events.atWith(links.arrivalMs(event.link ^ 1, events.now), this.#told, event.link, 0, event)
  }

  /** Sends the haves that stand together from `from` on; returns where they end. */
  tellHaves(effects: readonly Effect[], from: number): number {
    const { events, links, topology, counters } = this.#world
    const { now } = events
    const byClass = this.#byClass
    let index = from
    for (; index < effects.length; index++) {
      const effect = effects[index]!
      if (effect.type !== 'tell-have') break
      counters.haves++
      counters.controlBytes += messageBytes + haveBytes * effect.pieces.length
      const held = topology.passesMs(links.nodeAt(effect.link), links.nodeAt(effect.link ^ 1), now) > now
      byClass[held ? heldClass : links.distance(effect.link)]!.push(effect)
    }
    for (const effect of byClass[heldClass]!) {
      events.atWith(links.arrivalMs(effect.link, now), this.#haves, 0, 0, [effect])
    }
    byClass[heldClass] = []
    for (let distance = 0; distance < heldClass; distance++) {
      const haves = byClass[distance]!
      if (haves.length === 0) continue
      events.atWith(now + topology.latencyMs(distance), this.#haves, 0, 0, haves)
      byClass[distance] = []
    }
    return index
  }

  #onTold(end: LinkId, event: Told): void {
    const { links, nodes, events } = this.#world
    if (!links.isOpen(end) || links.isCut(end)) return
    links.hear(end, events.now)
    if (!links.isGuest(end)) nodes[links.nodeAt(end)]!.dispatch(event)
    // No blob moves over the link of a guest.
    else if (event.type === 'link:copy' && event.wants) this.tell({ type: 'link:copy', link: end ^ 1, holds: [], wants: false })
  }

  #onHaves(haves: readonly TellHave[]): void {
    const { links, nodes } = this.#world
    for (const { link, pieces } of haves) {
      const end = link ^ 1
      if (!links.isOpen(end) || links.isCut(end)) continue
      this.#have.link = end
      this.#have.pieces = pieces
      nodes[links.nodeAt(end)]!.dispatch(this.#have)
    }
  }
}

function sizeOf(event: Told): number {
  if (event.type === 'link:copy') return event.holds === 'all' ? 0 : 8 + haveBytes * event.holds.length
  return event.type === 'link:fetching' ? runBytes * event.runs.length : 0
}
