import assert from 'node:assert/strict'
import { seededRandom, type Random } from '../../src/core/random.ts'
import type { LittleNode } from '../support/little-node.ts'
import { noticeMs, relinkMs, type ChaosSwarm } from './chaos-swarm.ts'
import type { Figures } from './figures.ts'
import { mostServed, overlapPieces, patienceAfterHealMs, patienceMs } from './promises.ts'
import type { Fault, Schedule } from './schedule.ts'
import { drawShape, openSwarm, type Shape } from './shape.ts'
import { Watch } from './watch.ts'

/** Long enough for what should have ended to show. */
const restMs = 30_000
/** Ten times as many as the longest run has. */
const mostEvents = 300_000

/** How many events the calm run of a shape has, until all have the blob. */
export function calmEvents(schedule: Schedule): number {
  const run = new Run(schedule)
  run.untilComplete(run.wanting, 120_000)
  return run.events
}

/** Runs a schedule and checks all that must hold; what does not is thrown, with the seed and the schedule. */
export function runSchedule(schedule: Schedule): Figures {
  try {
    return new Run(schedule).all()
  } catch (error) {
    const message = error instanceof Error ? error.message : 'failed'
    throw new assert.AssertionError({ message: `${message}\n  seed ${schedule.shape.seed}: ${JSON.stringify(schedule)}` })
  }
}

/** Of all that all nodes decided, with its times. */
export function fingerprintOf(schedule: Schedule): number {
  return new Run(schedule, true).fingerprint()
}

class Run {
  readonly #schedule: Schedule
  readonly #shape: Shape
  readonly #swarm: ChaosSwarm
  readonly #watch: Watch
  /** Nodes that want the blob, and when each was set back last: it began to want it, or a fault of which it suffered was over. */
  readonly #setBackMs = new Map<LittleNode, number>()
  readonly #completeMs = new Map<LittleNode, number>()
  /** Pieces that may be read again because of crashes. */
  #mayLose = 0
  /** Into how many parts the swarm fell, each of which reaches the origin. */
  #parts = 1
  events = 0

  constructor(schedule: Schedule, keepsFingerprint = false) {
    this.#schedule = schedule
    this.#shape = drawShape(schedule.shape)
    this.#swarm = openSwarm(this.#shape)
    this.#swarm.keepsFingerprint = keepsFingerprint
    this.#watch = new Watch(this.#swarm, this.#shape)
    for (const [index, wantMs] of this.#shape.wantMs) {
      const node = this.#swarm.nodes[index]
      if (node) this.#setBackMs.set(node, wantMs)
    }
  }

  /** Runs until all that live have the blob. */
  untilComplete(nodes: readonly LittleNode[], withinMs: number): boolean {
    const all = (): boolean => nodes.every((node) => !node.alive || node.complete)
    this.#swarm.run(this.#swarm.time.now + withinMs, () => this.#look() || all())
    return all()
  }

  get wanting(): LittleNode[] {
    return [...this.#setBackMs.keys()]
  }

  fingerprint(): number {
    this.all()
    return this.#swarm.fingerprint
  }

  all(): Figures {
    const { fault } = this.#schedule
    if (fault.kind !== 'none') this.#breakAfter(this.#faultEvent(), fault)
    this.#check(this.untilComplete(this.wanting, 120_000), 'all live nodes have the blob')
    this.#swarm.run(this.#swarm.time.now + restMs, () => this.#look())
    this.#check(this.#swarm.problems.length === 0, this.#swarm.problems.join('; '))
    for (const node of this.#swarm.nodes) this.#checkEnd(node)
    this.#checkServed()
    return this.#figures()
  }

  #look(): boolean {
    if (++this.events === mostEvents) this.#swarm.problem(`${mostEvents} events, and no end`)
    this.#watch.look()
    for (const node of this.#setBackMs.keys()) {
      if (!node.alive || !node.complete) this.#completeMs.delete(node)
      else if (!this.#completeMs.has(node)) this.#completeMs.set(node, this.#swarm.time.now)
    }
    return false
  }

  #faultEvent(): number {
    const { atEvent, atPart } = this.#schedule
    return atEvent ?? Math.floor(atPart * calmEvents(this.#schedule))
  }

  #breakAfter(event: number, fault: Exclude<Fault, { kind: 'none' }>): void {
    this.#swarm.run(120_000, () => this.#look() || this.events > event)
    const random = seededRandom(this.#schedule.shape.seed + event)
    if (fault.kind === 'crash') this.#crash(fault, random)
    else this.#split(fault, random)
  }

  #crash({ victim, silent, restartMs }: Fault & { kind: 'crash' }, random: Random): void {
    const { time } = this.#swarm
    const victims = new Set<LittleNode>()
    if (victim !== 'tracker') victims.add(this.#someFetcher(random))
    const tracker = this.#swarm.nearest()
    if (victim !== 'fetcher' && tracker) victims.add(tracker)
    this.#watch.disturbed(silent ? noticeMs : 0)
    const others = this.wanting.filter((node) => node.alive && !victims.has(node))
    // What two had between them, and nobody else, dies with both.
    if (victims.size > 1) this.#mayLose += this.#readBy([...victims], others)
    for (const node of victims) {
      this.#mayLose += this.#watch.crashed(node, others)
      this.#swarm.crash(node, silent)
    }
    // Who knew of each other only by those that died are apart now.
    this.#parts = Math.max(1, this.#swarm.parts(others))
    this.#setBack(time.now + (silent ? noticeMs : 0))
    const nobodyLeft = this.wanting.every(({ alive }) => !alive)
    const backMs = restartMs ?? (nobodyLeft ? 1000 : undefined)
    if (backMs === undefined) return
    time.after(backMs, () => {
      for (const node of victims) {
        this.#swarm.restart(node)
        if (this.#setBackMs.has(node)) this.#setBackMs.set(node, time.now + 2 * relinkMs)
      }
      this.#watch.disturbed(0)
    })
  }

  #split({ origin, healMs }: Fault & { kind: 'partition' }, random: Random): void {
    const { nodes, time } = this.#swarm
    const sides = nodes.map(() => random.below(2))
    sides[random.below(sides.length)] = 0
    this.#watch.disturbed(noticeMs)
    this.#swarm.split(sides)
    this.#setBack(time.now + noticeMs)
    const cutOff = nodes.filter((node) => this.#swarm.sideOf(node) === 1)
    const others = this.wanting.filter((node) => this.#swarm.sideOf(node) === 0)
    // One that comes back reads all that it lacks when it reaches the origin before it reaches the others.
    this.#parts = this.#swarm.parts(this.wanting)
    if (origin === 'one side') {
      for (const node of cutOff) node.reachesOrigin = false
      // For the others it is as if those had crashed; what only they had is read again.
      this.#mayLose += overlapPieces + this.#readBy(cutOff, others)
      this.#check(this.untilComplete(others, 120_000), 'the side with the origin has the blob')
    }
    this.#swarm.run(time.now + healMs, () => this.#look())
    for (const node of cutOff) node.reachesOrigin = true
    this.#watch.disturbed(0)
    this.#swarm.heal()
    this.#setBack(time.now + relinkMs)
    if (origin === 'one side') {
      const indexes = (of: readonly LittleNode[]): number[] => of.map(({ index }) => index)
      const lacking = cutOff.filter((node) => this.#setBackMs.has(node) && !node.complete)
      const boundMs = this.#shape.lowerBoundMs(indexes(others), indexes(lacking)) + patienceAfterHealMs(this.#shape)
      const startMs = Math.max(time.now, ...lacking.map((node) => this.#setBackMs.get(node) ?? 0))
      const done = this.untilComplete(lacking, startMs + boundMs - time.now)
      this.#check(done, `the side without an origin has the blob ${Math.round(boundMs)} ms after the partition healed`)
    }
  }

  /** Pieces that some have, or are reading, and none of the others. */
  #readBy(some: readonly LittleNode[], others: readonly LittleNode[]): number {
    const pieces = new Set<number>()
    for (const { state } of some) {
      for (const piece of state.stored.indexes()) pieces.add(piece)
      for (const { first, count } of state.origin.runs.values()) {
        for (let piece = first; piece < first + count; piece++) pieces.add(piece)
      }
    }
    return [...pieces].filter((piece) => !others.some(({ state }) => state.stored.has(piece))).length
  }

  /** Whoever has not all of the blob is not expected to have it sooner than if it began at `atMs`. */
  #setBack(atMs: number): void {
    for (const [node, before] of this.#setBackMs) {
      if (!node.complete) this.#setBackMs.set(node, Math.max(before, atMs))
    }
  }

  /** One that reads from the origin now; or may, or did, or could. */
  #someFetcher(random: Random): LittleNode {
    const live = this.wanting
    const reading = live.filter(({ state }) => state.origin.runs.size > 0)
    const leased = live.filter(({ state }) => state.lease.pieces.count > 0)
    const [first] = [reading, leased, live.filter((node) => this.#watch.fetchers.has(node)), live].filter(({ length }) => length > 0)
    const node = first?.[random.below(first.length)]
    if (!node) throw new RangeError('nobody wants the blob')
    return node
  }

  #checkEnd(node: LittleNode): void {
    if (!node.alive) return
    const { requests, origin } = node.state
    const busy = node.busyCount + requests.count + origin.runs.size
    this.#check(busy === 0, `nothing is under way at the end, but node ${node.index} does ${busy} things`)
    const setBackMs = this.#setBackMs.get(node)
    if (setBackMs === undefined) return
    const lateMs = (this.#completeMs.get(node) ?? Infinity) - setBackMs - this.#shape.originOnlyMs
    this.#check(lateMs <= patienceMs(this.#schedule, this.#shape), `node ${node.index} took ${Math.round(lateMs)} ms longer than from the origin alone`)
  }

  #checkServed(): void {
    const { served, pieces } = this.#figures()
    const { fault, shape } = this.#schedule
    this.#check(served >= pieces, `${served} of ${pieces} pieces were read`)
    if (shape.fault) return
    const most = mostServed(this.#schedule, { pieces, parts: this.#parts, regions: this.#shape.regions, mayLose: this.#mayLose })
    this.#check(served <= most, `${served} pieces of ${pieces} were read from the origin, of at most ${most} (${fault.kind})`)
    if (fault.kind === 'none') this.#check(this.#watch.fetchers.size <= 8, `${this.#watch.fetchers.size} nodes read from the origin`)
  }

  #figures(): Figures {
    const { origin, layout } = this.#swarm
    const late = [...this.#completeMs].map(([node, atMs]) => atMs - (this.#setBackMs.get(node) ?? 0) - this.#shape.originOnlyMs)
    return {
      events: this.events,
      pieces: layout.pieceCount,
      served: origin.servedPieces,
      mostFetchers: this.#watch.mostFetchers,
      lateMs: Math.round(Math.max(0, ...late)),
    }
  }

  #check(holds: boolean, rule: string): void {
    const { problems } = this.#swarm
    assert.ok(holds, problems.length > 0 ? problems.join('; ') : rule)
  }
}
