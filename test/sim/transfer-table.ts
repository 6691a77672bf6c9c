import { grown } from './index-heap.ts'
import type { LinkEnd } from './link-table.ts'

export type TransferId = number

/**
 * - `asked`: the request is on its way. `waiting`: in the holder's queue. `serving`: its bytes leave.
 * - `coming`: all bytes left. `answered`: the holder said that it will not serve it.
 * - `lost`: nothing happens to it any more, and its asker does not know that yet.
 */
export type TransferPhase = 'asked' | 'waiting' | 'serving' | 'coming' | 'answered' | 'lost'

const phases: readonly TransferPhase[] = ['asked', 'waiting', 'serving', 'coming', 'answered', 'lost']
const numberOf = Object.fromEntries(phases.map((phase, index) => [phase, index])) as Record<TransferPhase, number>

/** Records of pieces on their way, in flat arrays; those of one asking end of a link are chained. */
export class TransferTable {
  #askers = new Int32Array(1024)
  #pieces = new Int32Array(1024)
  #phases = new Uint8Array(1024)
  /** 1 from when the asker does not wait for it any more. */
  #left = new Uint8Array(1024)
  /** 1 while the uploader is not rid of it although all of it left. */
  #held = new Uint8Array(1024)
  #startedMs = new Float64Array(1024)
  /** Grows whenever a record is used for the next transfer: what was meant for a former one is recognised. */
  #generations = new Int32Array(1024)
  #nexts = new Int32Array(1024)
  #heads = new Int32Array(1024).fill(-1)
  readonly #free: TransferId[] = []
  #used = 0

  get liveCount(): number {
    return this.#used - this.#free.length
  }

  add(asker: LinkEnd, piece: number): TransferId {
    const id = this.#free.pop() ?? this.#newRecord()
    while (asker >= this.#heads.length) {
      this.#heads = grown(this.#heads, new Int32Array(2 * this.#heads.length).fill(-1))
    }
    this.#askers[id] = asker
    this.#pieces[id] = piece
    this.#phases[id] = numberOf.asked
    this.#left[id] = 0
    this.#held[id] = 0
    this.#nexts[id] = this.#heads[asker]!
    this.#heads[asker] = id
    return id
  }

  /** The asker does not wait for it any more; says whether it is over with that. */
  leave(id: TransferId): boolean {
    const asker = this.#askers[id]!
    this.#left[id] = 1
    if (this.#heads[asker] === id) this.#heads[asker] = this.#nexts[id]!
    else {
      let before = this.#heads[asker]!
      while (before >= 0 && this.#nexts[before] !== id) before = this.#nexts[before]!
      if (before >= 0) this.#nexts[before] = this.#nexts[id]!
    }
    if (this.#phases[id] !== numberOf.lost) return false
    this.free(id)
    return true
  }

  /** Nothing more happens to it; the asker, if it waits, has yet to find out. */
  lose(id: TransferId): void {
    this.#phases[id] = numberOf.lost
  }

  free(id: TransferId): void {
    this.#generations[id] = this.#generations[id]! + 1
    this.#free.push(id)
  }

  /** Those that an end waits for; a list of its own. */
  of(asker: LinkEnd): TransferId[] {
    const ids: TransferId[] = []
    for (let id = this.first(asker); id !== undefined; id = this.next(id)) ids.push(id)
    return ids
  }

  /** The first of those that an end waits for, and the one after each. */
  first(asker: LinkEnd): TransferId | undefined {
    return inChain(this.#heads[asker])
  }

  next(id: TransferId): TransferId | undefined {
    return inChain(this.#nexts[id])
  }

  find(asker: LinkEnd, piece: number): TransferId | undefined {
    for (let id = this.first(asker); id !== undefined; id = this.next(id)) if (this.#pieces[id] === piece) return id
    return undefined
  }

  asker(id: TransferId): LinkEnd {
    return this.#askers[id]!
  }

  piece(id: TransferId): number {
    return this.#pieces[id]!
  }

  phase(id: TransferId): TransferPhase {
    return phases[this.#phases[id]!]!
  }

  setPhase(id: TransferId, phase: TransferPhase, startedMs: number): void {
    this.#phases[id] = numberOf[phase]
    this.#startedMs[id] = startedMs
  }

  startedMs(id: TransferId): number {
    return this.#startedMs[id]!
  }

  generation(id: TransferId): number {
    return this.#generations[id]!
  }

  isLeft(id: TransferId): boolean {
    return this.#left[id] === 1
  }

  isHeld(id: TransferId): boolean {
    return this.#held[id] === 1
  }

  setHeld(id: TransferId, held: boolean): void {
    this.#held[id] = held ? 1 : 0
  }

  #newRecord(): TransferId {
    const length = 2 * this.#used
    if (this.#used === this.#askers.length) {
      this.#askers = grown(this.#askers, new Int32Array(length))
      this.#pieces = grown(this.#pieces, new Int32Array(length))
      this.#phases = grown(this.#phases, new Uint8Array(length))
      this.#left = grown(this.#left, new Uint8Array(length))
      this.#held = grown(this.#held, new Uint8Array(length))
      this.#startedMs = grown(this.#startedMs, new Float64Array(length))
      this.#generations = grown(this.#generations, new Int32Array(length))
      this.#nexts = grown(this.#nexts, new Int32Array(length))
    }
    return this.#used++
  }
}

function inChain(id: TransferId | undefined): TransferId | undefined {
  return id === -1 ? undefined : id
}
