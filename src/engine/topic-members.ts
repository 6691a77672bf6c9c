import type { Digest } from '../core/digest.ts'
import type { Random } from '../core/random.ts'
import type { Location } from '../wire/messages.ts'
import { distanceOf } from './location.ts'
import type { LinkId } from './session-event.ts'

/** Members that one answer names, of which a part is drawn from all, near or not. */
const namedMembers = 16
const drawnPart = 4
const maxTopics = 4096
const maxMembersPerTopic = 1024
const maxTopicsPerLink = 1024
/** What a link told is old after this long, or with the link; what others told of members, sooner. */
const joinedForMs = 3_600_000
const toldForMs = 600_000

/** A node that gathers around a topic. */
export interface TopicMember {
  readonly key: string
  readonly location: Location
}

interface Entry extends TopicMember {
  readonly link: LinkId | undefined
  readonly untilMs: number
}

/** Who gathers around which topic, as far as this node was told. */
export class TopicMembers {
  readonly #topics = new Map<Digest, Map<string, Entry>>()
  /** What each link joined; the first is the oldest. */
  readonly #byLink = new Map<LinkId, Set<Digest>>()

  /** Topics with members that are known. */
  get topicCount(): number {
    return this.#topics.size
  }

  /** A linked node says so itself. */
  joined(topic: Digest, member: TopicMember, link: LinkId, now: number): void {
    this.#add(topic, { ...member, link, untilMs: now + joinedForMs })
    const topics = this.#byLink.get(link) ?? new Set()
    this.#byLink.set(link, topics)
    topics.delete(topic)
    topics.add(topic)
    const [oldest] = topics
    if (topics.size > maxTopicsPerLink && oldest !== undefined) this.#leave(oldest, link, topics)
  }

  /** Another node says so. */
  told(topic: Digest, member: TopicMember, now: number): void {
    const known = this.#topics.get(topic)?.get(member.key)
    if (known?.link === undefined) this.#add(topic, { ...member, link: undefined, untilMs: now + toldForMs })
  }

  left(link: LinkId): void {
    const topics = this.#byLink.get(link) ?? new Set()
    for (const topic of topics) this.#leave(topic, link, topics)
    this.#byLink.delete(link)
  }

  /** Links that joined a topic. */
  linksOf(topic: Digest): LinkId[] {
    return [...(this.#topics.get(topic)?.values() ?? [])].flatMap(({ link }) => link ?? [])
  }

  /** Whom to name to one who asks: the nearest, and some from anywhere, so that no corner is cut off. */
  choose(topic: Digest, asker: TopicMember, now: number, random: Random): string[] {
    const others: Entry[] = []
    for (const member of this.#topics.get(topic)?.values() ?? []) {
      if (member.key !== asker.key && now < member.untilMs) others.push(member)
    }
    if (others.length <= namedMembers) return others.map(({ key }) => key)
    const drawn = draw(others, drawnPart, random)
    const rest = others.filter((member) => !drawn.includes(member))
    const near = nearest(rest, asker.location, namedMembers - drawn.length, random)
    return [...near, ...drawn].map(({ key }) => key)
  }

  #leave(topic: Digest, link: LinkId, topics: Set<Digest>): void {
    topics.delete(topic)
    const members = this.#topics.get(topic)
    for (const [key, member] of members ?? []) if (member.link === link) members?.delete(key)
    if (members?.size === 0) this.#topics.delete(topic)
  }

  #add(topic: Digest, entry: Entry): void {
    const members = this.#topics.get(topic) ?? new Map<string, Entry>()
    // The last to tell stands last: the first of a full map is the oldest.
    members.delete(entry.key)
    members.set(entry.key, entry)
    const [oldestMember] = members.keys()
    if (members.size > maxMembersPerTopic && oldestMember !== undefined) members.delete(oldestMember)
    this.#topics.delete(topic)
    this.#topics.set(topic, members)
    const [oldestTopic] = this.#topics.keys()
    if (this.#topics.size > maxTopics && oldestTopic !== undefined) this.#topics.delete(oldestTopic)
  }
}

function draw<Item>(items: readonly Item[], count: number, random: Random): Item[] {
  const chosen = new Set<Item>()
  // Few of many: drawing one twice is seldom, and tried again.
  for (let tries = 0; chosen.size < count && tries < 4 * count; tries++) {
    const item = items[random.below(items.length)]
    if (item !== undefined) chosen.add(item)
  }
  return [...chosen]
}

/** By distance, from a random place on: of many that are equally near, not always the same ones. */
function nearest(members: readonly Entry[], from: Location, count: number, random: Random): Entry[] {
  const byDistance: Entry[][] = [[], [], [], []]
  const start = random.below(members.length)
  for (let index = 0; index < members.length; index++) {
    const member = members[(start + index) % members.length]
    if (member) byDistance[distanceOf(from, member.location)]?.push(member)
  }
  return byDistance.flat().slice(0, count)
}
