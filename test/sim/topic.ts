import { digestToBytes, type Digest } from '../../src/core/digest.ts'
import { seededRandom } from '../../src/core/random.ts'
import type { LeaseAnswer } from '../../src/engine/lease.ts'
import { compareRank, type RankedPeer } from '../../src/engine/ranks.ts'
import type { TopicMember } from '../../src/engine/topic-members.ts'
import type { LeasedBlob, TravellingAsk } from '../../src/engine/tracker-event.ts'
import { drawPlace, Places } from './places.ts'
import type { SimNode } from './sim-node.ts'
import type { SimWorld } from './sim-world.ts'

/** What nodes say to each other about who gathers where and who may read what; nodes are named by their keys. */
export type Told =
  | { readonly type: 'join'; readonly asks: boolean }
  | { readonly type: 'members'; readonly busy: boolean; readonly guest: boolean; readonly members: readonly string[]; readonly nearer: readonly string[] }
  | { readonly type: 'lease-ask'; readonly ask: TravellingAsk }
  | { readonly type: 'lease'; readonly holder: string; readonly answer: LeaseAnswer }

/** One object: no book changes the addresses it is given. */
const addresses = ['simulated']
/** Digest, frame, encryption and the headers below them. */
const messageBytes = 110
const memberBytes = 90
const runBytes = 6

/** The one blob that all gather around, and the nodes as they stand to it. A node's key is its number. */
export class Topic {
  readonly digest: Digest = `sha256:${'5eed'.repeat(16)}`
  readonly place = digestToBytes(this.digest)
  readonly blob: LeasedBlob
  readonly places: Places
  readonly #world: SimWorld
  readonly #ranked: readonly RankedPeer[]

  constructor(world: SimWorld) {
    const { options, layout } = world
    const random = seededRandom(options.seed * 16 + 8)
    this.#world = world
    this.places = new Places(Array.from({ length: options.nodes }, () => drawPlace(random)))
    this.blob = { sizeBytes: options.size, digest: this.digest, place: this.place, pieceCount: layout.pieceCount, pieceLength: layout.pieceLength }
    this.#ranked = Array.from({ length: options.nodes }, (_, node) => ({
      key: String(node),
      place: this.places.of(node),
      supernode: node < options.supernodes,
    }))
  }

  ranked(node: number): RankedPeer {
    return this.#ranked[node]!
  }

  /** Whether a node comes before another as the blob's tracker. */
  isNearer(a: number, b: number): boolean {
    return compareRank(this.ranked(a), this.ranked(b), this.place) < 0
  }

  /** Known peers of a node by their rank for the blob. */
  ranks(node: SimNode, count: number): RankedPeer[] {
    return node.book.ranks(this.place, count).map(({ key }) => this.ranked(Number(key)))
  }

  /** Nodes that a node can ask now, nearest first. */
  nearest(node: SimNode, count: number): RankedPeer[] {
    return node.book.nearest(this.place, count, this.#world.events.now).map(({ key }) => this.ranked(Number(key)))
  }

  membersOf(keys: readonly string[]): TopicMember[] {
    return keys.map((key) => ({ key, location: this.#world.topology.location(Number(key)) }))
  }

  /** A node learns of another one. */
  introduce(node: SimNode, other: number, foundBy: string): void {
    const { key, supernode } = this.ranked(other)
    node.book.found({ peerId: key, addresses, supernode, location: this.#world.topology.location(other) }, foundBy)
  }
}

export function sizeOfTold(message: Told): number {
  switch (message.type) {
    case 'join':
      return messageBytes
    case 'members':
      return messageBytes + memberBytes * (message.members.length + message.nearer.length)
    case 'lease-ask':
      return messageBytes + runBytes * (message.ask.held.length + message.ask.wanted.length)
    case 'lease':
      return messageBytes + message.answer.grants.reduce((sum, { runs }) => sum + memberBytes + runBytes * runs.length, 0)
  }
}
