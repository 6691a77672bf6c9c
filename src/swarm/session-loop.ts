import type { Clock } from '../core/clock.ts'
import { wakeAtMs } from '../engine/decide.ts'
import type { Effect } from '../engine/effect.ts'
import { step } from '../engine/session.ts'
import type { SessionEvent } from '../engine/session-event.ts'
import type { SessionState } from '../engine/session-state.ts'

/** Feeds a session its events one after the other, and wakes it when its time comes. */
export class SessionLoop {
  readonly #state: SessionState
  readonly #clock: Clock
  readonly #carryOut: (effect: Effect) => void
  readonly #events: SessionEvent[] = []
  #stepping = false
  #stopped = false
  #timer: { dueMs: number; cancel: () => void } | undefined

  constructor(state: SessionState, clock: Clock, carryOut: (effect: Effect) => void) {
    this.#state = state
    this.#clock = clock
    this.#carryOut = carryOut
  }

  /** What an effect makes happen at once is an event too: it waits until the step that caused it is carried out. */
  dispatch(event: SessionEvent): void {
    if (this.#stopped) return
    this.#events.push(event)
    if (this.#stepping) return
    this.#stepping = true
    try {
      for (let next = this.#events.shift(); next; next = this.#events.shift()) {
        for (const effect of step(this.#state, next, this.#clock.monotonicMs())) this.#carryOut(effect)
      }
    } finally {
      this.#stepping = false
    }
    this.#setTimer()
  }

  stop(): void {
    this.#stopped = true
    this.#timer?.cancel()
  }

  #setTimer(): void {
    const now = this.#clock.monotonicMs()
    const dueMs = wakeAtMs(this.#state, now)
    if (this.#timer && dueMs !== undefined && this.#timer.dueMs <= dueMs) return
    this.#timer?.cancel()
    this.#timer = undefined
    if (dueMs === undefined) return
    const cancel = this.#clock.after(Math.max(0, dueMs - now), () => {
      this.#timer = undefined
      this.dispatch({ type: 'tick' })
    })
    this.#timer = { dueMs, cancel }
  }
}
