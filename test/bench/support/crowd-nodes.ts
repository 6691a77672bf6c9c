import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { FromNode, NodePull, NodeSetup, ToNode, WantedBlob } from './bench-messages.ts'
import { BenchError } from './bench-run.ts'
import { epochMs, WorkerProcess } from './worker-process.ts'

/** A node of a bench, and where it runs. */
export interface NodePlace {
  readonly name: string
  readonly namespace?: string | undefined
  readonly setup: NodeSetup
}

/** Starting many processes on few cores takes a while. */
const startLimitMs = 180_000
const linkLimitMs = 5000
const pullLimitMs = 600_000

const script = join(import.meta.dirname, 'bench-node.ts')

/** Nodes that start together, wait for each other, pull together, and go together. */
export class CrowdNodes implements AsyncDisposable {
  readonly #workers: readonly WorkerProcess<ToNode, FromNode>[]
  readonly #linkCounts: number[]

  /** @param home - where nodes look for credentials and keep what they keep */
  constructor(places: readonly NodePlace[], home: string) {
    this.#linkCounts = places.map(() => 0)
    this.#workers = places.map(({ name, namespace, setup }, index) => {
      const worker = new WorkerProcess<ToNode, FromNode>(name, script, setup, { namespace, env: { HOME: home } })
      void this.#countLinks(worker, index)
      return worker
    })
  }

  /** All are up; and each has a link, or has had time for one. Resolves to how many links each has. */
  async ready(options: { wantLinks: boolean }): Promise<readonly number[]> {
    await within(startLimitMs, 'the nodes do not start', Promise.all(this.#workers.map((worker) => worker.next('ready'))))
    if (options.wantLinks && this.#workers.length > 1) {
      const limitMs = performance.now() + linkLimitMs
      while (this.#linkCounts.includes(0) && performance.now() < limitMs) await pause(50)
    }
    return [...this.#linkCounts]
  }

  /** All pull the blob, by the same clock; it is read back when the last one has it. */
  async pull(blob: WantedBlob): Promise<NodePull[]> {
    const goEpochMs = epochMs()
    for (const worker of this.#workers) worker.send({ type: 'pull', blob, goEpochMs })
    const pulled = Promise.all(this.#workers.map((worker) => worker.next('pulled')))
    const pulls = (await within(pullLimitMs, 'the pull does not end', pulled)).map(({ pull }) => pull)
    for (const worker of this.#workers) worker.send({ type: 'check' })
    for (const worker of this.#workers) {
      const { digest } = await worker.next('checked')
      if (digest !== blob.digest) throw new BenchError(`${worker.name} has ${digest} as ${blob.digest}`)
    }
    return pulls
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker[Symbol.asyncDispose]()))
  }

  async #countLinks(worker: WorkerProcess<ToNode, FromNode>, index: number): Promise<void> {
    try {
      for (;;) this.#linkCounts[index] = (await worker.next('links')).count
    } catch {
      // Why it ended, whoever waits for more than links is told.
    }
  }
}

async function within<Result>(limitMs: number, what: string, work: Promise<Result>): Promise<Result> {
  const timer = new AbortController()
  const late = async (): Promise<never> => {
    await pause(limitMs, undefined, { signal: timer.signal })
    throw new BenchError(`${what} within ${limitMs / 1000} s`)
  }
  try {
    return await Promise.race([work, late()])
  } finally {
    timer.abort()
  }
}
