import { wantedPieces, windowPieces } from './lease-ask.ts'
import { isHolding } from './lease-grant.ts'
import { endSilence } from './lease-return.ts'
import { isUnfinished } from './link-state.ts'
import type { SessionState } from './session-state.ts'

/** Nothing came for this long, from anybody: what the tracker says is not believed any more. */
const doubtMs = 3000
/** A lease that we give ourselves lasts as long as one of a tracker. */
const ownLeaseMs = 3000
/** How often it is drawn whether we grant ourselves a lease, and from when on there is no more drawing. */
const drawEveryMs = 250
const drawForMs = 3000

/** No tracker is in reach: what we hold we keep, for whoever could give it to others is not there. */
export function onSilence(state: SessionState, swarmSize: number, now: number): void {
  const { lease } = state
  lease.asking = false
  lease.askAtMs = now + drawEveryMs
  lease.swarmSize = swarmSize
  lease.number = 0
  if (isHolding(state)) lease.expiresMs = now + ownLeaseMs
  else lease.silentMs ??= now
}

/**
 * Draws, with odds that double, whether to read without anybody's leave: no tracker is in reach, or what it says brings nothing.
 * Nodes in the same position draw apart, so that few begin.
 */
export function goWithout(state: SessionState, now: number): void {
  const { lease, origin } = state
  const drawnMs = Math.max(lease.drawAtMs, lease.silentMs ?? 0, origin.movedMs)
  // Whoever had what it needed in between begins anew: the silence may be over.
  if (lease.silentMs !== undefined && now - drawnMs > drawForMs) endSilence(state)
  if (lease.silentMs === undefined) {
    if (!hasReasonToDoubt(state, now)) return
    lease.silentMs = now
    lease.doubting = true
    lease.swarmSize = atLeastInSwarm(state)
  }
  while (now >= Math.max(lease.drawAtMs, lease.silentMs)) {
    const odds = now - lease.silentMs >= drawForMs ? 1 : 2 ** lease.draws / lease.swarmSize
    lease.draws++
    lease.drawAtMs = Math.max(lease.drawAtMs, lease.silentMs) + drawEveryMs
    if (state.random.next() >= odds) continue
    // From now on each draw succeeds, until a tracker helps.
    lease.draws = 32
    lease.drawAtMs = now
    const pieces = wantedPieces(state, now, new Set()).slice(0, windowPieces(state, now))
    for (const piece of pieces) lease.pieces.add(piece)
    lease.number = 0
    lease.expiresMs = now + ownLeaseMs
    return
  }
}

/** How many may be about to draw as we are. */
export function atLeastInSwarm({ lease, nearestFirst }: SessionState): number {
  return Math.max(lease.swarmSize, nearestFirst.filter(isUnfinished).length + 1)
}

/** Nothing came from anybody for long, and nobody linked is seen to fetch. */
function hasReasonToDoubt(state: SessionState, now: number): boolean {
  const { origin, tuning } = state
  if (now - Math.max(state.movedMs, origin.retryAtMs) < doubtMs || now < origin.retryAtMs) return false
  return !state.nearestFirst.some(
    (link) => link.fetching.length > 0 && !link.score.snubbed && now - link.fetchingMs < tuning.fetchStaleMs,
  )
}
