import type { Digest } from '../core/digest.ts'
import { LruMap } from '../core/lru-map.ts'
import type { TrackerEffect } from '../engine/tracker-event.ts'
import type { InlineBlobs } from './inline-blobs.ts'
import { runCount } from './lease-messages.ts'
import type { LeaseListener } from './leases.ts'
import type { LinkManager } from './link-manager.ts'
import type { SwarmContext } from './swarm-context.ts'

/** A peer in another region that has a piece for us may take this long to be linked. */
const importLinkMs = 1000
const maxGrants = 256

/** What {@link OwnLeases} works with. */
export interface OwnLeasesInit {
  readonly context: SwarmContext
  readonly links: LinkManager
  readonly inline: InlineBlobs
}

/** Who of this node's sessions waits for the answers of trackers, and what they come to. */
export class OwnLeases {
  readonly #context: SwarmContext
  readonly #links: LinkManager
  readonly #inline: InlineBlobs
  readonly #listeners = new Map<Digest, LeaseListener>()
  /** Who let us read a blob last. */
  readonly #grantedBy = new LruMap<Digest, string>(maxGrants)

  constructor({ context, links, inline }: OwnLeasesInit) {
    this.#context = context
    this.#links = links
    this.#inline = inline
  }

  listen(digest: Digest, listener: LeaseListener): void {
    this.#listeners.set(digest, listener)
  }

  forget(digest: Digest, listener: LeaseListener): void {
    if (this.#listeners.get(digest) === listener) this.#listeners.delete(digest)
  }

  /** A small public blob was read from the origin: who let us gets it. */
  handIn(digest: Digest): void {
    const tracker = this.#grantedBy.get(digest)
    const entry = tracker === undefined ? undefined : this.#links.entryTo(tracker)
    if (entry) void this.#inline.give(entry, digest)
  }

  silent(digest: Digest): void {
    this.#context.history.note(digest, { type: 'lease:silent' })
    this.#listeners.get(digest)?.({ type: 'lease:silent', swarmSize: this.#links.estimateNodeCount() })
  }

  trackerLost(digest: Digest): void {
    this.#listeners.get(digest)?.({ type: 'tracker:lost' })
  }

  /** Pieces of another region are of use when who has them is linked. */
  async answered({ digest, answer, from }: TrackerEffect & { type: 'answer' }): Promise<void> {
    const { number, validMs, retryAfterMs, grants } = answer
    const runs = grants.flatMap((grant) => (grant.source === undefined ? grant.runs : []))
    const sources = grants.filter(({ source }) => source !== undefined)
    const imports = await Promise.all(
      sources.map(async (grant) => ({ link: await this.#linkTo(grant.source ?? ''), runs: grant.runs })),
    )
    if (number === 0) this.#context.history.note(digest, { type: 'lease:refused', by: from, retryAfterMs })
    else {
      this.#grantedBy.set(digest, from)
      const imported = runCount(sources.flatMap((grant) => grant.runs))
      this.#context.history.note(digest, { type: 'lease:granted', by: from, pieces: runCount(runs), imports: imported })
    }
    this.#listeners.get(digest)?.({
      type: 'lease:answered',
      number,
      validMs,
      retryAfterMs,
      runs,
      imports: imports.flatMap(({ link, runs: pieces }) => (link === undefined ? [] : [{ link, runs: pieces }])),
    })
  }

  async #linkTo(key: string): Promise<number | undefined> {
    const open = this.#links.entryTo(key)
    if (open) return open.id
    const { promise, resolve } = Promise.withResolvers<undefined>()
    const cancel = this.#context.clock.after(importLinkMs, () => resolve(undefined))
    const entry = await Promise.race([promise, this.#links.connectTo(key)])
    cancel()
    return entry?.id
  }
}
