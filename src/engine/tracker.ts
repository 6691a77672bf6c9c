import type { Digest } from '../core/digest.ts'
import { assertNever } from '../core/errors.ts'
import type { Random } from '../core/random.ts'
import type { Location } from '../wire/messages.ts'
import { LeaseDesk } from './lease-desk.ts'
import { compareRank, type RankedPeer } from './ranks.ts'
import type { LinkId } from './session-event.ts'
import { TopicMembers, type TopicMember } from './topic-members.ts'
import type { TrackerEffect, TrackerEvent } from './tracker-event.ts'

/** Joins that a node answers within {@link busyWindowMs}; more would make all of them late. */
const joinsInWindow = 64
const busyWindowMs = 100
/** Nodes nearer to a topic that an answer names. */
const namedNearer = 8
/** A host's wish to be left alone is passed on when it says this much more than the last one. */
const holdOffStepMs = 250
const maxHosts = 1024

/** What a node is told of itself. */
export interface TrackerInit {
  readonly self: RankedPeer & { readonly location: Location }
  readonly random: Random
}

/** One node as a tracker: who gathers where, who may read what, and its own asks on their way to others. `stepTracker` alone changes it. */
export interface TrackerState {
  readonly self: TrackerInit['self']
  readonly random: Random
  readonly links: Map<LinkId, RankedPeer & TopicMember>
  readonly linkByKey: Map<string, LinkId>
  readonly members: TopicMembers
  readonly desk: LeaseDesk
  /** Until when hosts want to be left alone, by the topic that stands for them. */
  readonly heldOffUntilMs: Map<Digest, number>
  joinWindowMs: number
  joinCount: number
}

export function createTracker({ self, random }: TrackerInit): TrackerState {
  const linkByKey = new Map<string, LinkId>()
  const { key, place, supernode, location } = self
  return {
    self,
    random,
    links: new Map(),
    linkByKey,
    members: new TopicMembers(),
    desk: new LeaseDesk({
      self: { key, place, supernode, region: location.region },
      random,
      linkTo: (peer) => linkByKey.get(peer),
    }),
    heldOffUntilMs: new Map(),
    joinWindowMs: 0,
    joinCount: 0,
  }
}

/** Tells a tracker what happened at `now`; returns what is to be done. Same state, same events, same times: same effects. */
export function stepTracker(state: TrackerState, event: TrackerEvent, now: number): TrackerEffect[] {
  const effects: TrackerEffect[] = []
  switch (event.type) {
    case 'link:opened':
      state.links.set(event.link, event.peer)
      state.linkByKey.set(event.peer.key, event.link)
      state.desk.opened(event.peer.key, now, effects)
      break
    case 'link:closed':
      closeLink(state, event.link, now, effects)
      break
    case 'connect:failed':
      state.desk.failed(event.key, event.refused, now, effects)
      break
    case 'topic:joined':
      join(state, event, now, effects)
      break
    case 'members:told':
      for (const member of event.members) {
        if (member.key !== state.self.key) state.members.told(event.topic, member, now)
      }
      break
    case 'lease:wanted':
      state.desk.want(event, now, effects)
      break
    case 'lease:asked':
      hear(state, event.link)
      state.desk.asked(event, now, effects)
      break
    case 'lease:told':
      hear(state, event.link)
      state.desk.told(event, effects)
      break
    case 'host:held-off':
      holdOff(state, event, now, effects)
      break
    case 'tick':
      state.desk.tick(now, effects)
      break
    default:
      assertNever(event)
  }
  return effects
}

/** When `stepTracker` must be called with a tick at the latest; `undefined` while nothing depends on time. */
export function trackerWakeAtMs(state: TrackerState): number | undefined {
  return state.desk.wakeAtMs()
}

/** Whoever says something about leases is there. */
function hear(state: TrackerState, link: LinkId): void {
  const peer = state.links.get(link)
  if (peer) state.desk.heard(peer.key)
}

function closeLink(state: TrackerState, link: LinkId, now: number, effects: TrackerEffect[]): void {
  const peer = state.links.get(link)
  if (!peer) return
  state.links.delete(link)
  if (state.linkByKey.get(peer.key) === link) state.linkByKey.delete(peer.key)
  state.members.left(link)
  state.desk.closed(link, peer.key, now, effects)
}

function join(
  state: TrackerState,
  event: TrackerEvent & { type: 'topic:joined' },
  now: number,
  effects: TrackerEffect[],
): void {
  const { link, topic, place, asks, ranks } = event
  const peer = state.links.get(link)
  if (!peer) return
  const heldOffMs = (state.heldOffUntilMs.get(topic) ?? 0) - now
  if (heldOffMs > 0) effects.push({ type: 'send-hold-off', link, topic, durationMs: heldOffMs })
  const busy = asks && isBusy(state, now)
  const members = asks ? state.members.choose(topic, peer, now, state.random) : []
  state.members.joined(topic, peer, link, now)
  if (!asks) return
  const nearer = ranks
    .filter((rank) => rank.key !== peer.key && compareRank(rank, state.self, place) < 0)
    .slice(0, namedNearer)
    .map(({ key }) => key)
  effects.push({ type: 'introduce', link, topic, busy, members, nearer })
}

function isBusy(state: TrackerState, now: number): boolean {
  if (now - state.joinWindowMs >= busyWindowMs) {
    state.joinWindowMs = now
    state.joinCount = 0
  }
  return ++state.joinCount > joinsInWindow
}

/** Who learnt it from the host tells its tracker; the tracker tells those who read from there. */
function holdOff(
  state: TrackerState,
  event: TrackerEvent & { type: 'host:held-off' },
  now: number,
  effects: TrackerEffect[],
): void {
  const { topic, durationMs, link, ranks } = event
  const before = state.heldOffUntilMs.get(topic) ?? 0
  if (now + durationMs <= before + holdOffStepMs) return
  state.heldOffUntilMs.delete(topic)
  state.heldOffUntilMs.set(topic, now + durationMs)
  const [oldest] = state.heldOffUntilMs.keys()
  if (state.heldOffUntilMs.size > maxHosts && oldest !== undefined) state.heldOffUntilMs.delete(oldest)
  const told = new Set(state.members.linksOf(topic))
  if (link === undefined) {
    for (const { key } of ranks) {
      const rank = state.linkByKey.get(key)
      if (rank !== undefined) told.add(rank)
    }
  }
  for (const each of told) {
    if (each !== link) effects.push({ type: 'send-hold-off', link: each, topic, durationMs })
  }
}
