import { abortable } from '../core/abortable.ts'
import type { Clock } from '../core/clock.ts'
import type { Logger } from '../core/log.ts'
import type { Random } from '../core/random.ts'
import { Alarm } from './alarm.ts'

/** What the plugins repeat with. */
export interface RepeaterContext {
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
}

/** What is done again and again. */
export interface RepeaterTask {
  /** For the log. */
  readonly name: string
  /** Time from a success to the next attempt, in milliseconds; up to a tenth is taken off at random. */
  readonly periodMs: number
  /** The longest time from a failure to the next attempt, in milliseconds; it starts at one second and doubles. */
  readonly maxRetryMs: number
  /** Resolves to whether it succeeded; rejecting is failing. */
  attempt(signal: AbortSignal): Promise<boolean>
}

const firstRetryMs = 1000

/** Attempts something at once, then at intervals while it succeeds and with a growing, jittered back-off while it fails. */
export class Repeater {
  readonly #context: RepeaterContext
  readonly #task: RepeaterTask
  readonly #stop = new AbortController()
  readonly #alarm: Alarm
  readonly #ended: Promise<void>
  #failures = 0
  /** The last attempt succeeded, and the next one has not begun. */
  #satisfied = false

  constructor(context: RepeaterContext, task: RepeaterTask) {
    this.#context = context
    this.#task = task
    this.#alarm = new Alarm(context.clock)
    this.#ended = this.#run()
  }

  /** Something changed: if the attempt that runs, or the last one, fails, the next follows at once. */
  wake(): void {
    if (!this.#satisfied) this.#alarm.ring()
  }

  /** Ends it. An attempt that runs is told to stop, and not waited for. */
  close(): Promise<void> {
    this.#stop.abort()
    return this.#ended
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop
    while (!signal.aborted) {
      this.#satisfied = false
      this.#alarm.reset()
      this.#satisfied = await this.#succeeds(signal)
      this.#failures = this.#satisfied ? 0 : this.#failures + 1
      if (this.#satisfied) this.#alarm.reset()
      await this.#alarm.pause(this.#pauseMs(), signal)
    }
  }

  async #succeeds(signal: AbortSignal): Promise<boolean> {
    try {
      return await abortable(this.#task.attempt(signal), signal)
    } catch (error) {
      // A failure is news once; what goes on failing is for those who look for it.
      const level = this.#failures === 0 ? 'info' : 'debug'
      if (!signal.aborted) this.#context.logger[level](`${this.#task.name} failed`, { error })
      return false
    }
  }

  /** Half of the back-off is random: nodes that lost the same peer at the same time do not come back together. */
  #pauseMs(): number {
    const drawn = this.#context.random.next()
    if (this.#failures === 0) return this.#task.periodMs * (1 - drawn / 10)
    return Math.min(this.#task.maxRetryMs, firstRetryMs * 2 ** (this.#failures - 1)) * (0.5 + drawn / 2)
  }
}
