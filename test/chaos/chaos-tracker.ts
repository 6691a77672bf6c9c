import { seededRandom } from '../../src/core/random.ts'
import type { Effect } from '../../src/engine/effect.ts'
import type { LeaseAnswer } from '../../src/engine/lease.ts'
import { distanceOf } from '../../src/engine/location.ts'
import type { LinkId } from '../../src/engine/session-event.ts'
import { createTracker, stepTracker, trackerWakeAtMs, type TrackerState } from '../../src/engine/tracker.ts'
import type { TrackerEffect, TrackerEvent, TravellingAsk } from '../../src/engine/tracker-event.ts'
import type { Companion, LittleNode, Neighbour } from '../support/little-node.ts'
import { ChaosSearch } from './chaos-search.ts'
import type { ChaosSwarm } from './chaos-swarm.ts'
import { ChaosView } from './chaos-view.ts'
import { misleadingAnswer, type TrackerSeat } from './tracker-seat.ts'

/** As in production: how long links that an answer names, and dials of the first search, are waited for. */
const importLinkMs = 1000
const dialsMs = 1000
/** How often a node that loads looks after its links. */
const lookEveryMs = 500

/** The production tracker of one node, its view of the others and its search for them; over the wires of its swarm. */
export class ChaosTracker implements Companion {
  readonly seat: TrackerSeat
  readonly node: LittleNode
  readonly #swarm: ChaosSwarm
  #view: ChaosView
  #state: TrackerState
  readonly #links = new Map<LinkId, Neighbour>()
  readonly #events: TrackerEvent[] = []
  #stepping = false
  #wakeMs: number | undefined
  readonly #search: ChaosSearch
  #looking = false
  /** It told the others that it gathers with them. */
  #gathers = false
  #life = 0

  constructor(swarm: ChaosSwarm, node: LittleNode, seat: TrackerSeat) {
    this.#swarm = swarm
    this.node = node
    this.seat = seat
    this.#view = this.#newView()
    this.#state = this.#newState()
    this.#search = new ChaosSearch({
      swarm,
      tracker: this,
      ranks: () => this.#view.ranks(),
      connect: (key, done) => this.#view.connect(key, done),
      join: (link) => this.#join(link, true),
      later: (delayMs, run) => this.#later(delayMs, run),
    })
  }

  /** How many hold leases of this tracker. */
  holders(now: number): number {
    return [...this.#state.desk.books.values()].reduce((sum, book) => sum + book.holders(now).length, 0)
  }

  distanceTo(other: LittleNode): number {
    return distanceOf(this.#location, this.#swarm.trackerOf(other).#location)
  }

  search(settled: () => void): void {
    if (!this.#gathers) for (const link of this.#links.keys()) this.#join(link, false)
    this.#gathers = true
    if (!this.#looking) this.#look()
    this.#search.begin(() => this.#view.whenIdle(dialsMs, settled))
  }

  ask({ number, count, held, wanted, rateBytesPerSecond }: Effect & { type: 'ask-lease' }): void {
    const ask = { number, count, held, wanted, rateBytesPerSecond }
    this.#dispatch({ type: 'lease:wanted', blob: this.#swarm.blob, ask, ranks: this.#view.ranks() })
  }

  opened(link: LinkId, neighbour: Neighbour): void {
    const { ranked, region } = this.#swarm.trackerOf(neighbour.node).seat
    this.#links.set(link, neighbour)
    this.#view.linked(link, ranked, region)
    this.#dispatch({ type: 'link:opened', link, peer: { ...ranked, location: { region, zone: '', rack: '' } } })
    if (this.#gathers) this.#join(link, this.node.wanted)
  }

  closed(link: LinkId): void {
    const neighbour = this.#links.get(link)
    if (!neighbour) return
    this.#links.delete(link)
    this.#view.closed(link, this.#swarm.trackerOf(neighbour.node).seat.ranked.key)
    this.#dispatch({ type: 'link:closed', link })
  }

  killed(): void {
    this.#life++
    this.#links.clear()
    this.#events.length = 0
    this.#wakeMs = undefined
    this.#search.stop()
    this.#looking = false
    this.#gathers = false
    this.#view = this.#newView()
    this.#state = this.#newState()
  }

  get #location(): { region: string; zone: string; rack: string } {
    return { region: this.seat.region, zone: '', rack: '' }
  }

  #newState(): TrackerState {
    const random = seededRandom(this.#swarm.random.below(2 ** 32))
    return createTracker({ self: { ...this.seat.ranked, location: this.#location }, random })
  }

  #newView(): ChaosView {
    return new ChaosView({ swarm: this.#swarm, tracker: this, later: (delayMs, run) => this.#later(delayMs, run) })
  }

  #dispatch(event: TrackerEvent): void {
    this.#events.push(event)
    if (this.#stepping) return
    this.#stepping = true
    const { time } = this.#swarm
    for (let next = this.#events.shift(); next; next = this.#events.shift()) {
      for (const effect of stepTracker(this.#state, next, time.now)) {
        this.#swarm.note(this.node, effect)
        this.#carryOut(effect)
      }
      for (const book of this.#state.desk.books.values()) {
        for (const rule of book.broken(time.now)) this.#swarm.problem(`the book of node ${this.node.index}: ${rule}`)
      }
    }
    this.#stepping = false
    this.#armTimer()
  }

  #carryOut(effect: TrackerEffect): void {
    switch (effect.type) {
      case 'introduce':
        this.#introduce(effect.link, effect)
        break
      case 'send-ask':
        this.#tell(effect.link, (to, link) => to.#asked(link, effect.ask))
        break
      case 'send-lease': {
        const { holder, answer } = effect
        this.#tell(effect.link, (to, link) => to.#told(link, holder, answer))
        break
      }
      case 'connect':
        this.#view.connect(effect.key, (link) => {
          if (link === undefined) this.#dispatch({ type: 'connect:failed', key: effect.key, refused: false })
        })
        break
      case 'answer':
        this.#answer(effect.answer)
        break
      case 'silent':
        this.node.dispatch({ type: 'lease:silent', swarmSize: this.#view.estimateNodeCount() })
        break
      case 'tracker-lost':
        this.node.dispatch({ type: 'tracker:lost' })
        break
      case 'send-hold-off':
        break
    }
  }

  #tell(link: LinkId, act: (to: ChaosTracker, theirs: LinkId) => void): void {
    const neighbour = this.#links.get(link)
    neighbour?.carry(() => {
      const to = this.#swarm.trackerOf(neighbour.node)
      if (to.#links.has(neighbour.theirs)) act(to, neighbour.theirs)
    })
  }

  #join(link: LinkId, asks: boolean): void {
    this.#tell(link, (to, theirs) => to.#joined(theirs, asks))
  }

  #joined(link: LinkId, asks: boolean): void {
    const { topic, blob } = this.#swarm
    if (asks && this.seat.fault === 'introduces-liars') {
      return this.#introduce(link, { busy: false, members: this.#swarm.liars, nearer: [] })
    }
    this.#dispatch({ type: 'topic:joined', link, topic, place: blob.place, asks, ranks: asks ? this.#view.ranks() : [] })
  }

  #introduce(link: LinkId, { members, nearer, busy }: Pick<TrackerEffect & { type: 'introduce' }, 'members' | 'nearer' | 'busy'>): void {
    this.#tell(link, (to, theirs) => to.#introduced(theirs, members, nearer, busy))
  }

  #introduced(link: LinkId, members: readonly string[], nearer: readonly string[], busy: boolean): void {
    const from = this.#links.get(link)
    if (!from) return
    const known = members.flatMap((key) => this.#view.introduced(key) ?? [])
    const ranks = nearer.flatMap((key) => this.#view.introduced(key)?.ranked ?? [])
    const told = known.map(({ ranked, region }) => ({ key: ranked.key, location: { region, zone: '', rack: '' } }))
    this.#dispatch({ type: 'members:told', topic: this.#swarm.topic, members: told })
    const { key } = this.#swarm.trackerOf(from.node).seat.ranked
    this.#search.step({ type: 'answered', key, members: known.length, nearer: ranks, busy })
    if (this.node.wanted) this.#view.dialReady()
  }

  #asked(link: LinkId, ask: TravellingAsk): void {
    const lie = misleadingAnswer(this.seat.fault, ask)
    if (lie) return this.#tell(link, (to, theirs) => to.#told(theirs, ask.holder, lie))
    this.#dispatch({ type: 'lease:asked', link, blob: this.#swarm.blob, ask, ranks: this.#view.ranks() })
  }

  #told(link: LinkId, holder: string, answer: LeaseAnswer): void {
    this.#dispatch({ type: 'lease:told', link, digest: this.#swarm.topic, holder, answer })
  }

  /** For our own session: when who has pieces in other regions is linked, or took too long. */
  #answer({ number, validMs, retryAfterMs, grants }: LeaseAnswer): void {
    const runs = grants.flatMap((grant) => (grant.source === undefined ? grant.runs : []))
    const sources = grants.filter(({ source }) => source !== undefined)
    this.#view.connectAll(sources.map(({ source }) => source ?? ''), importLinkMs, (links) => {
      const imports = sources.flatMap((grant, index) => {
        const link = links[index]
        return link === undefined ? [] : [{ link, runs: grant.runs }]
      })
      this.node.dispatch({ type: 'lease:answered', number, validMs, retryAfterMs, runs, imports })
    })
  }

  #look(): void {
    this.#looking = this.node.wanted
    if (!this.#looking) return
    this.#view.dialReady()
    this.#later(lookEveryMs, () => this.#look())
  }

  #armTimer(): void {
    const wakeMs = trackerWakeAtMs(this.#state)
    if (wakeMs === undefined || (this.#wakeMs !== undefined && this.#wakeMs <= wakeMs)) return
    this.#wakeMs = wakeMs
    this.#later(wakeMs - this.#swarm.time.now, () => {
      if (this.#wakeMs !== wakeMs) return
      this.#wakeMs = undefined
      this.#dispatch({ type: 'tick' })
    })
  }

  #later(delayMs: number, run: () => void): void {
    const life = this.#life
    this.#swarm.time.after(delayMs, () => {
      if (this.#life === life) run()
    })
  }
}
