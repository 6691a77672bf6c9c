import type { Clock } from '../core/clock.ts'
import { askedAbsenceMs, type HostAnswer } from './asked-absence.ts'
import { CircuitBreaker } from './circuit-breaker.ts'
import { LruMap } from '../core/lru-map.ts'
import { RequestQueue } from './request-queue.ts'
import { maxRetryAfterMs } from './retry-after.ts'

/** Hosts that are remembered although nobody asks them anything. */
const maxIdleHosts = 1000
/** Hosts that others spoke of and that were never asked anything here. */
const maxForeignHosts = 1000
/** Growing by less than this, in milliseconds, a wish to be left alone is no news: eight answers say it at once. */
const newsMs = 1000

/**
 * Told what a host asked of this node.
 * @param host - as in {@link HostGates.holdOff}
 * @param durationMs - how long from now it wants to be left alone, at most a minute
 */
export type HoldOffListener = (host: string, durationMs: number) => void

/** What is known of a host, and the way to it; one for all that ask it. */
export interface GatedHost {
  readonly queue: RequestQueue
  readonly breaker: CircuitBreaker
}

interface KnownHost extends GatedHost {
  /** Until when listeners know that it wants to be left alone. */
  newsUntilMs: number
}

/**
 * The doors to all hosts, one each, and what hosts asked of those who come. A swarm listens here to what its own node
 * was asked, and passes in what others were.
 */
export class HostGates {
  readonly clock: Clock
  /** The one asked last is the last. */
  readonly #hosts = new Map<string, KnownHost>()
  /** Until when hosts that nobody here has asked anything are to be left alone. */
  readonly #foreign = new LruMap<string, number>(maxForeignHosts)
  readonly #listeners = new Set<HoldOffListener>()

  constructor(clock: Clock) {
    this.clock = clock
  }

  /** Hosts that requests are under way to, or wait for; and those that want to be left alone. */
  hosts(): string[] {
    return [...this.#hosts].filter(([, { queue }]) => !queue.isIdle).map(([name]) => name)
  }

  /**
   * Calls back when a host asks this node to be left alone, but not for what {@link HostGates.holdOff} was told.
   * Returns what ends it.
   */
  onHoldOff(listener: HoldOffListener): () => void {
    // Of its own, so that a function which listens twice is called twice, and until each has ended.
    const own: HoldOffListener = (host, durationMs) => listener(host, durationMs)
    this.#listeners.add(own)
    return () => void this.#listeners.delete(own)
  }

  /**
   * Leaves a host alone, as others say that it wants; nobody is told. It holds for who comes later as well, and makes
   * no earlier wish shorter.
   *
   * @param host - lower-case, with a port where it is not the scheme's, as URLs have it: `registry-1.docker.io`
   * @param durationMs - from now; no more than a minute is believed
   */
  holdOff(host: string, durationMs: number): void {
    // Others wrote the number: it may be none.
    if (!(durationMs > 0)) return
    const boundedMs = Math.min(durationMs, maxRetryAfterMs)
    const known = this.#hosts.get(host)
    if (known) return known.queue.holdOff(boundedMs)
    const untilMs = this.clock.monotonicMs() + boundedMs
    this.#foreign.set(host, Math.max(untilMs, this.#foreign.get(host) ?? 0))
  }

  /** The door to a host. Ask for it each time: what nobody uses may be forgotten. */
  of(host: string): GatedHost {
    const known = this.#hosts.get(host) ?? this.#meet(host)
    this.#hosts.delete(host)
    this.#hosts.set(host, known)
    if (this.#hosts.size > maxIdleHosts) this.#forgetOneBut(host)
    return known
  }

  /**
   * Does as an answer asks that came through the door of a host, be it from there or from where that led.
   * Returns how long the host wants to be left alone, in milliseconds, if it does.
   */
  heard(host: string, answer: HostAnswer): number | undefined {
    const durationMs = askedAbsenceMs(answer, this.clock.wallMs())
    if (durationMs === undefined || durationMs === 0) return durationMs
    const known = this.#hosts.get(host) ?? this.#meet(host)
    known.queue.holdOff(durationMs)
    const nowMs = this.clock.monotonicMs()
    const untilMs = nowMs + durationMs
    if (known.newsUntilMs > nowMs && untilMs < known.newsUntilMs + newsMs) return durationMs
    known.newsUntilMs = untilMs
    for (const listener of this.#listeners) listener(host, durationMs)
    return durationMs
  }

  #meet(host: string): KnownHost {
    const queue = new RequestQueue(this.clock)
    const known = { queue, breaker: new CircuitBreaker(), newsUntilMs: 0 }
    queue.holdOff((this.#foreign.get(host) ?? 0) - this.clock.monotonicMs())
    this.#foreign.delete(host)
    this.#hosts.set(host, known)
    return known
  }

  /** Not one that is in use or about to be: it would get a second door. */
  #forgetOneBut(host: string): void {
    for (const [name, { queue }] of this.#hosts) {
      if (name !== host && queue.isIdle) return void this.#hosts.delete(name)
    }
  }
}
