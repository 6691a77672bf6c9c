import { cpus, loadavg } from 'node:os'
import { round, sum } from './figures.ts'

/**
 * How busy the machine was, whoever kept it so. With `busyShare` near 1, figures show the machine rather than the links; with `nodesSeconds`
 * far below `busySeconds`, other work had a part in that.
 */
export interface CpuUse {
  readonly cores: number
  /** Of one minute, when the clock started. Many processes have just been started by then. */
  readonly loadAverageBefore: number
  readonly busyShare: number
  readonly busySeconds: number
  /** Of the nodes that pulled, in all. */
  readonly nodesSeconds: number
}

/** Measures from when it is made. */
export class CpuMeter {
  readonly #before = cpuTimes()
  readonly #loadAverage = loadavg()[0] ?? 0

  read(nodesSeconds: readonly number[]): CpuUse {
    const now = cpuTimes()
    const busyMs = now.busyMs - this.#before.busyMs
    const idleMs = now.idleMs - this.#before.idleMs
    return {
      cores: cpus().length,
      loadAverageBefore: round(this.#loadAverage, 2),
      busyShare: round(busyMs / Math.max(1, busyMs + idleMs), 2),
      busySeconds: round(busyMs / 1000, 1),
      nodesSeconds: round(sum(nodesSeconds), 1),
    }
  }
}

function cpuTimes(): { busyMs: number; idleMs: number } {
  let busyMs = 0
  let idleMs = 0
  for (const { times } of cpus()) {
    busyMs += times.user + times.nice + times.sys + times.irq
    idleMs += times.idle
  }
  return { busyMs, idleMs }
}
