import { digestOf, type Digest } from '../../src/core/digest.ts'
import { seededRandom } from '../../src/core/random.ts'
import type { LeaseAnswer } from '../../src/engine/lease.ts'
import type { RankedPeer } from '../../src/engine/ranks.ts'
import { createTracker, stepTracker, trackerWakeAtMs, type TrackerState } from '../../src/engine/tracker.ts'
import type { LeasedBlob, OwnAsk, TrackerEffect, TrackerEvent, TravellingAsk } from '../../src/engine/tracker-event.ts'
import type { Location } from '../../src/wire/messages.ts'

const nowhere: Location = { region: '', zone: '', rack: '' }

/** A node so far from the place of all zeros, where the blobs of these tests are. */
export function nodeAt(distance: number, supernode = false): RankedPeer & { readonly location: Location } {
  const place = new Uint8Array(32)
  place.set([distance >> 8, distance & 255])
  return { key: `node ${distance}`, place, supernode, location: nowhere }
}

export function blobOf(digest: Digest = digestOf(Buffer.from('blob')), pieceCount = 8): LeasedBlob {
  return { digest, place: new Uint8Array(32), sizeBytes: pieceCount * 1024, pieceCount, pieceLength: 1024 }
}

export const blob: LeasedBlob = blobOf()
const whole = [{ first: 0, count: 8 }]

export function ownAsk(ask: Partial<OwnAsk> = {}): OwnAsk {
  return { number: 0, count: 8, held: [], wanted: whole, rateBytesPerSecond: 0, ...ask }
}

export function askOf(holder: string, ask: Partial<TravellingAsk> = {}): TravellingAsk {
  return { ...ownAsk(), holder, region: '', supernode: false, takeover: false, hops: 0, ...ask }
}

export const granted: LeaseAnswer = { number: 7, validMs: 3000, retryAfterMs: 0, grants: [{ source: undefined, runs: whole }] }

/** One tracker alone: a test tells it events, and sees what it does. Node n is link n. */
export class Desk {
  readonly state: TrackerState
  /** Nodes that it knows besides those that it is linked to. */
  readonly known: RankedPeer[] = []
  now = 1000

  constructor(distance = 100, options: { supernode?: boolean; location?: Location } = {}) {
    const { supernode = false, location = nowhere } = options
    this.state = createTracker({ self: { ...nodeAt(distance, supernode), location }, random: seededRandom(1) })
  }

  link(distance: number, options: { supernode?: boolean; location?: Location } = {}): TrackerEffect[] {
    const { supernode = false, location = nowhere } = options
    return this.tell({ type: 'link:opened', link: distance, peer: { ...nodeAt(distance, supernode), location } })
  }

  unlink(distance: number): TrackerEffect[] {
    return this.tell({ type: 'link:closed', link: distance })
  }

  know(...distances: readonly number[]): void {
    this.known.push(...distances.map((distance) => nodeAt(distance)))
  }

  /** Its own session asks. */
  want(ask: Partial<OwnAsk> = {}, of = blob): TrackerEffect[] {
    return this.tell({ type: 'lease:wanted', blob: of, ask: ownAsk(ask), ranks: this.ranks })
  }

  /** A linked node asks, for itself or another. */
  asked(link: number, ask: TravellingAsk, of = blob): TrackerEffect[] {
    return this.tell({ type: 'lease:asked', link, blob: of, ask, ranks: this.ranks })
  }

  told(link: number, holder: string, answer = granted): TrackerEffect[] {
    return this.tell({ type: 'lease:told', link, digest: blob.digest, holder, answer })
  }

  /** Lets time pass; ticks when it asks for it. */
  wait(ms: number): TrackerEffect[] {
    const effects: TrackerEffect[] = []
    const end = this.now + ms
    for (let due = trackerWakeAtMs(this.state); due !== undefined && due <= end; due = trackerWakeAtMs(this.state)) {
      this.now = Math.max(this.now, due)
      effects.push(...this.tell({ type: 'tick' }))
    }
    this.now = end
    return effects
  }

  tell(event: TrackerEvent): TrackerEffect[] {
    return stepTracker(this.state, event, this.now)
  }

  /** Supernodes first, then by distance. */
  get ranks(): RankedPeer[] {
    const distance = ({ place, supernode }: RankedPeer): number =>
      (supernode ? 0 : 65_536) + (place[0] ?? 0) * 256 + (place[1] ?? 0)
    return [...this.known, ...this.state.links.values()].toSorted((a, b) => distance(a) - distance(b))
  }
}

/** What is done, in short: `ask 50`, `connect 50`, `lease 70`, `answer from node 50`. */
export function inShort(effects: readonly TrackerEffect[]): string[] {
  return effects.map((effect) => {
    switch (effect.type) {
      case 'send-ask':
        return `ask ${effect.link}`
      case 'send-lease':
        return `lease ${effect.link}`
      case 'connect':
        return `connect ${effect.key.replace('node ', '')}`
      case 'answer':
        return `answer from ${effect.from}`
      case 'send-hold-off':
        return `hold-off ${effect.link}`
      default:
        return effect.type
    }
  })
}

type EffectOf<Type extends TrackerEffect['type']> = Extract<TrackerEffect, { type: Type }>

/** The one effect of a type. */
export function the<Type extends TrackerEffect['type']>(type: Type, effects: readonly TrackerEffect[]): EffectOf<Type> {
  const found = effects.filter((effect): effect is EffectOf<Type> => effect.type === type)
  const [only] = found
  if (!only || found.length > 1) throw new Error(`${found.length} effects are ${type}: ${inShort(effects).join(', ')}`)
  return only
}
