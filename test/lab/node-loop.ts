import type { Clock } from '../../src/core/clock.ts'
import type { LabTime } from './lab-time.ts'

interface Deferred {
  readonly dueMs: number
  readonly run: () => void
}

/** How a node's clocks differ from those of others. */
export interface ClockSkew {
  /** What its monotonic clock shows when it starts. */
  readonly monotonicMs: number
  /** What its wall clock shows then. */
  readonly wallMs: number
}

/**
 * The event loop of one process, and its clock. While the loop is blocked or the process stopped, nothing runs; after that first what
 * was due by the clock, in the order in which it was, and then what came from outside: that is how libuv takes turns.
 */
export class NodeLoop implements Clock {
  readonly #time: LabTime
  readonly #startMs: number
  readonly #skew: ClockSkew
  readonly #timers = new Set<object>()
  #wallShiftMs = 0
  #late: Deferred[] = []
  #arrived: (() => void)[] = []
  #blocked = false
  #dead = false

  constructor(time: LabTime, skew: ClockSkew) {
    this.#time = time
    this.#startMs = time.now
    this.#skew = skew
  }

  /** Timers that are set. */
  get timerCount(): number {
    return this.#timers.size
  }

  get blocked(): boolean {
    return this.#blocked
  }

  monotonicMs(): number {
    return this.#skew.monotonicMs + this.#time.now - this.#startMs
  }

  wallMs(): number {
    return this.#skew.wallMs + this.#wallShiftMs + this.#time.now - this.#startMs
  }

  after(delayMs: number, callback: () => void): () => void {
    const dueMs = this.#time.now + Math.max(0, delayMs)
    const timer = {}
    this.#timers.add(timer)
    const fire = (): void => {
      if (this.#dead || !this.#timers.has(timer)) return
      if (this.#blocked) {
        this.#late.push({ dueMs, run: fire })
        return
      }
      this.#timers.delete(timer)
      callback()
    }
    const cancel = this.#time.at(dueMs, fire)
    return () => {
      this.#timers.delete(timer)
      cancel()
    }
  }

  /** Something came from outside. */
  arrive(run: () => void): void {
    if (this.#dead) return
    if (this.#blocked) this.#arrived.push(run)
    else run()
  }

  /** The wall clock is set. */
  setWallForward(byMs: number): void {
    this.#wallShiftMs += byMs
  }

  /** Nothing runs for so long; the clock goes on. */
  block(forMs: number): void {
    if (this.#blocked || this.#dead) return
    this.#blocked = true
    this.#time.after(forMs, () => this.#resume())
  }

  /** The process is gone: nothing of it runs any more. */
  kill(): void {
    this.#dead = true
    this.#timers.clear()
    this.#late = []
    this.#arrived = []
  }

  #resume(): void {
    if (this.#dead) return
    this.#blocked = false
    const late = this.#late.toSorted((a, b) => a.dueMs - b.dueMs)
    const arrived = this.#arrived
    this.#late = []
    this.#arrived = []
    for (const { run } of late) this.#time.after(0, run)
    for (const run of arrived) this.#time.after(0, () => this.arrive(run))
  }
}
