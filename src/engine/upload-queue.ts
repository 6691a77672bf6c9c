import type { Digest } from '../core/digest.ts'
import type { LinkId } from './session-event.ts'
import type { SessionState } from './session-state.ts'

/** A piece that a peer asked us for. */
export interface UploadRequest {
  readonly id: number
  readonly link: LinkId
  readonly digest: Digest
  readonly piece: number
  /** The peer has taken a piece before, and takes what it is sent. */
  readonly proven?: boolean | undefined
}

/**
 * Pieces that are served at once. With two, slow receivers hold the uplink up (100 nodes take 1.58 times the bound where receivers push
 * back, and 1.11 where they do not); with eight they do not (1.12 and 1.13), and what is offered to one peer goes first in any case.
 */
const uploadsInService = 8
/** Of those, as many are for peers that have not taken anything yet, where others wait: they may be about to take nothing. */
const strangersInService = 4
/** Requests that wait, over all peers. Beyond it a peer is told to come back. */
const maxWaiting = 256
/** What a peer is told to wait, per request before it. */
const busyMsPerWaiting = 10
/** Every fourth turn goes to who waited longest, so that no order of merit starves anyone. */
const fairEvery = 4

/**
 * Lower is served sooner: first what goes to another region, which asks for each piece once; then what no other neighbour has, so
 * that it spreads; then the receiver that has least.
 */
export function uploadRank(state: SessionState, link: LinkId, piece: number): number {
  const receiver = state.links.get(link)
  if (receiver?.far) return -1
  const elsewhere = state.availability.count(piece) > 0 ? state.layout.pieceCount + 1 : 0
  return elsewhere + (receiver?.holds.count ?? 0)
}

/** Fair order of what peers asked for, over all blobs of this node. */
export class UploadQueue {
  readonly #waiting: UploadRequest[] = []
  readonly #serving = new Map<number, UploadRequest>()
  /** Those of them whose peer takes nothing: they are in nobody's way. */
  readonly #stalled = new Set<number>()
  readonly #perLink: number
  #turns = 0

  /** @param perLink - requests of one peer that may wait */
  constructor(perLink: number) {
    this.#perLink = perLink
  }

  get waitingCount(): number {
    return this.#waiting.length
  }

  /** Takes a request in; or says after how many milliseconds the peer should come back. */
  add(request: UploadRequest): 'queued' | number {
    const mine = this.#waiting.filter((other) => other.link === request.link).length
    if (mine >= this.#perLink || this.#waiting.length >= maxWaiting) {
      return busyMsPerWaiting * (this.#waiting.length + 1)
    }
    this.#waiting.push(request)
    return 'queued'
  }

  /** The peer takes nothing of what it is sent: others are served meanwhile, and it gets nothing more. */
  stalled(id: number): void {
    if (this.#serving.has(id)) this.#stalled.add(id)
  }

  /** It takes some again. */
  moved(id: number): void {
    this.#stalled.delete(id)
  }

  /** The next request to serve, if there is room; `rank` is {@link uploadRank} of its blob. */
  next(rank: (request: UploadRequest) => number): UploadRequest | undefined {
    if (this.#serving.size - this.#stalled.size >= uploadsInService || this.#waiting.length === 0) return undefined
    const stuck = this.#stuckLinks()
    const provenOnly = this.#keepsStrangersBack(stuck)
    const isFair = this.#turns++ % fairEvery === 0
    let chosen: number | undefined
    let best = Infinity
    for (const [index, request] of this.#waiting.entries()) {
      if (stuck.has(request.link) || (provenOnly && !request.proven)) continue
      const value = isFair ? index : rank(request)
      if (chosen === undefined || value < best) [best, chosen] = [value, index]
    }
    const [request] = chosen === undefined ? [] : this.#waiting.splice(chosen, 1)
    if (request) this.#serving.set(request.id, request)
    return request
  }

  /** The request was served, cancelled, or lost with its link. */
  remove(id: number): void {
    this.#stalled.delete(id)
    if (this.#serving.delete(id)) return
    const index = this.#waiting.findIndex((request) => request.id === id)
    if (index >= 0) this.#waiting.splice(index, 1)
  }

  #keepsStrangersBack(stuck: ReadonlySet<LinkId>): boolean {
    let strangers = 0
    for (const { id, proven } of this.#serving.values()) if (!proven && !this.#stalled.has(id)) strangers++
    return strangers >= strangersInService && this.#waiting.some(({ link, proven }) => proven && !stuck.has(link))
  }

  #stuckLinks(): ReadonlySet<LinkId> {
    const stuck = new Set<LinkId>()
    for (const id of this.#stalled) {
      const request = this.#serving.get(id)
      if (request) stuck.add(request.link)
    }
    return stuck
  }
}
