import type { Effect } from './effect.ts'
import { clearLease, endSilence, leasedPieces, maxLeaseRuns, returnLease } from './lease-return.ts'
import { isCountedOn, isUnfinished } from './link-state.ts'
import { comesFromPeers, hasSettled } from './origin-policy.ts'
import { originRateAt } from './request-policy.ts'
import type { SessionEvent } from './session-event.ts'
import { inRuns, runsFrom, type SessionState } from './session-state.ts'

/** Fewer pieces are not worth an ask. */
const minLeasePieces = 16
/** Of a large blob on a fast link; more would keep others from sharing the work. */
const maxLeasePieces = 512
/** A node that still loads this many pieces from peers does not starve. */
const starvingBelow = 2
/** So long after the last news from anybody a node that loads nothing asks. */
const starvedMs = 500
/** At the beginning, for each peer that wants the blob too. */
const waitMsPerSharer = 40
/** Between two asks of a holder that wants more, so that a tracker with nothing left is not asked in a tight loop. */
const askMoreMs = 25
/** There was nothing more to ask for: it is looked at again then. */
const nothingMoreMs = 250
/** A tracker whose answer was lost is taken for silent. */
const answerMs = 4000
/** Nothing came for this long, from anybody: what the tracker says is not believed any more. */
const doubtMs = 3000
/** A lease that we give ourselves lasts as long as one of a tracker. */
const ownLeaseMs = 3000
/** How often it is drawn whether we grant ourselves a lease, and from when on there is no more drawing. */
const drawEveryMs = 250
const drawForMs = 3000

/** Asks for leases, renews them, and goes without where no tracker helps. */
export function seekLease(state: SessionState, now: number, effects: Effect[]): void {
  const { origin, lease } = state
  if (!origin.usable || origin.only) return
  if (lease.asking && now - lease.askedMs > answerMs) onSilence(state, atLeastInSwarm(state), now)
  expireLease(state, now, effects)
  if (isHolding(state)) {
    if (!lease.asking) renew(state, now, effects)
    return
  }
  if (!hasSettled(state, now)) return
  const mayAsk = lease.number === 0 ? now >= lease.askAtMs && isOurTurn(state, now) : now >= Math.max(lease.askAtMs, lease.emptyMs + askMoreMs)
  if (!lease.asking && mayAsk) ask(state, now, effects)
  if (!isHolding(state) && lacksSource(state, now)) goWithout(state, now)
}

/** Whether what is missing does not come by itself: who loads enough from peers has no need to draw, and begins anew when it has. */
function lacksSource({ requests, availability, lease }: SessionState, now: number): boolean {
  return requests.count < starvingBelow || (availability.unheldCount > 0 && now >= lease.askAtMs)
}

/**
 * Whether it is this node that asks: somebody has to, and in a crowd not everybody. Next to a fetcher it is easy to see whether one more
 * would help; elsewhere a node asks when nothing comes, and at the very beginning after a wait that is the longer the more others there are.
 */
function isOurTurn(state: SessionState, now: number): boolean {
  const { lease, availability, requests, stored, tuning } = state
  // So it is for most of a download: looking at every link after every event took 5 % of all time.
  if (stored.count > 0 && requests.count >= starvingBelow && availability.unheldCount === 0) return false
  let sharers = 0
  let newsMs = state.movedMs
  let begun = stored.count > 0
  for (const link of state.nearestFirst) {
    if (link.far) continue
    if (isUnfinished(link)) sharers++
    if (link.holds.count > 0) begun = true
    if (link.fetching.length > 0 && isCountedOn(link) && now - link.fetchingMs < tuning.fetchStaleMs) {
      return availability.unheldCount > 0 || requests.count < starvingBelow
    }
    newsMs = Math.max(newsMs, link.fetchingMs)
  }
  // Who was told to come back does; a former fetcher is missed by those who wait for its pieces.
  if (lease.wasHeld) return availability.unheldCount > 0
  if (sharers === 0 || lease.askedMs > 0) return requests.count < starvingBelow
  if (begun) return requests.count < starvingBelow && now - newsMs >= starvedMs
  lease.firstAskMs ??= now + state.random.next() * sharers * waitMsPerSharer
  return now >= lease.firstAskMs
}

/** The tracker's answer stands in place of all that was allowed before. */
export function onAnswer(
  state: SessionState,
  event: SessionEvent & { type: 'lease:answered' },
  now: number,
  effects: Effect[],
): void {
  const { lease } = state
  lease.asking = false
  lease.askAtMs = now + event.retryAfterMs
  if (state.phase !== 'loading' || state.origin.only) {
    takeGrant(state, event, now)
    returnLease(state, effects)
    return
  }
  // A lease of our own making is not taken away by a tracker that has nothing to give.
  if (event.number === 0 && lease.number === 0) {
    // Who refuses is there; what it says may still bring nothing.
    if (!lease.doubting) endSilence(state)
    return
  }
  takeGrant(state, event, now)
  if (isHolding(state)) {
    lease.wasHeld = true
    endSilence(state)
  } else lease.emptyMs = now
  endRunsWithoutLease(state, effects)
}

function takeGrant(state: SessionState, event: SessionEvent & { type: 'lease:answered' }, now: number): void {
  const { lease } = state
  clearLease(state)
  lease.number = event.number
  lease.expiresMs = now + event.validMs
  for (const run of event.runs) {
    forEachPiece(state, run, (piece) => {
      // A tracker that took over does not know what other regions have read; who is linked there does.
      if (isInReach(state, piece) && !inRuns(state.origin.runs.values(), piece)) lease.imports.add(piece)
      else lease.pieces.add(piece)
    })
  }
  for (const { link, runs } of event.imports) {
    if (!state.links.has(link)) continue
    for (const run of runs) forEachPiece(state, run, (piece) => lease.imports.add(piece))
  }
}

/** Whether a link to another region has the piece. */
function isInReach({ nearestFirst }: SessionState, piece: number): boolean {
  return nearestFirst.some((link) => link.far && isCountedOn(link) && link.holds.has(piece))
}

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

/** The tracker is gone: its successor must hear at once what we hold. What was asked of it already goes there anyway. */
export function onTrackerLost(state: SessionState): void {
  const { lease } = state
  if (lease.number !== 0 && !lease.asking) lease.askedMs = -Infinity
  lease.askAtMs = 0
}

export function isHolding({ lease }: SessionState): boolean {
  return lease.pieces.count > 0 || lease.imports.size > 0
}

function forEachPiece(
  state: SessionState,
  run: { readonly first: number; readonly count: number },
  use: (piece: number) => void,
): void {
  const end = Math.min(run.first + run.count, state.layout.pieceCount)
  for (let piece = run.first; piece < end; piece++) if (!state.stored.has(piece)) use(piece)
}

function expireLease(state: SessionState, now: number, effects: Effect[]): void {
  const { lease } = state
  if (!isHolding(state) || lease.asking || now < lease.expiresMs) return
  clearLease(state)
  lease.askAtMs = 0
  endRunsWithoutLease(state, effects)
}

/** Runs end at the first missing piece that somebody else may read now. */
function endRunsWithoutLease(state: SessionState, effects: Effect[]): void {
  for (const run of state.origin.runs.values()) {
    const reading = state.stored.firstMissing(run.first)
    let end = reading
    while (end < run.first + run.count && isOurs(state, end)) end++
    // What has begun to come is not thrown away.
    if (end === reading && state.requests.count === 0) end++
    const kept = end > reading ? end - run.first : 0
    if (kept >= run.count) continue
    run.count = kept
    if (kept === 0) state.origin.runs.delete(run.id)
    effects.push({ type: 'trim', run: run.id, count: kept })
  }
}

function isOurs(state: SessionState, piece: number): boolean {
  return state.stored.has(piece) || state.lease.pieces.has(piece)
}

/** A holder is heard of while bytes come or the origin has it wait, and when it will soon have nothing left to read. */
function renew(state: SessionState, now: number, effects: Effect[]): void {
  const { lease, origin, tuning } = state
  const sinceMs = now - lease.askedMs
  const isAlive = origin.movedMs > lease.askedMs || state.movedMs > lease.askedMs || now < origin.retryAtMs
  if (sinceMs >= tuning.leaseRenewMs && isAlive) return ask(state, now, effects)
  if (lease.number === 0 || sinceMs < askMoreMs || now < lease.askAtMs) return
  if (lease.pieces.count + lease.imports.size >= windowPieces(state, now) / 2) return
  if (state.availability.unheldCount > 0) ask(state, now, effects, true)
}

/** How many pieces to hold at once: some seconds of work; all of them where nobody is to share it. */
function windowPieces(state: SessionState, now: number): number {
  const { nearestFirst, layout, tuning } = state
  if (nearestFirst.length === 0) return layout.pieceCount
  const pieces = Math.ceil((originRateAt(state, now) * tuning.leaseAheadMs) / layout.pieceLength)
  return Math.min(maxLeasePieces, Math.max(minLeasePieces, pieces))
}

/** With `more`, only if there is more to be had. */
function ask(state: SessionState, now: number, effects: Effect[], more = false): void {
  const { lease } = state
  const window = windowPieces(state, now)
  const held = heldPieces(state, window)
  const wanted = wantedPieces(state, now, new Set(held))
  const count = wanted.length > 0 ? Math.max(0, window - held.length) : 0
  if (count === 0 && more) {
    lease.askAtMs = now + nothingMoreMs
    return
  }
  if (count === 0 && held.length === 0) {
    if (lease.number !== 0) returnLease(state, effects)
    return
  }
  lease.asking = true
  lease.askedMs = now
  effects.push({
    type: 'ask-lease',
    number: lease.number,
    count: Math.min(count, maxAskedPieces),
    held: runsFrom(held, maxLeaseRuns),
    wanted: runsFrom(wanted, maxLeaseRuns),
    rateBytesPerSecond: Math.round(state.rate * 1000),
  })
}

const maxAskedPieces = 4096

/** What we keep of the lease: what is being read, and as much behind it as we can read soon. Others may have the rest. */
function heldPieces(state: SessionState, window: number): number[] {
  const runs = [...state.origin.runs.values()]
  const pieces = leasedPieces(state)
  const reading = pieces.filter((piece) => inRuns(runs, piece))
  const waiting = pieces.filter((piece) => !inRuns(runs, piece))
  return [...reading, ...waiting].slice(0, Math.max(window, reading.length)).toSorted((a, b) => a - b)
}

/** Pieces that only the origin, or another region, can give: from a reader's place on, or from where we begin. */
function wantedPieces(state: SessionState, now: number, held: ReadonlySet<number>): number[] {
  const { pieceCount } = state.layout
  const [reader] = state.readers
  const start = reader ?? (state.nearestFirst.length === 0 ? 0 : state.startPiece)
  const pieces: number[] = []
  for (let step = 0; step < pieceCount; step++) {
    const piece = (start + step) % pieceCount
    if (!state.availability.isOpen(piece) || held.has(piece)) continue
    if (!inRuns(state.origin.runs.values(), piece) && !comesFromPeers(state, piece, now)) pieces.push(piece)
  }
  return pieces
}

/**
 * Draws, with odds that double, whether to read without anybody's leave: no tracker is in reach, or what it says brings nothing.
 * Nodes in the same position draw apart, so that few begin.
 */
function goWithout(state: SessionState, now: number): void {
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
function atLeastInSwarm({ lease, nearestFirst }: SessionState): number {
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

/** Whoever gets a piece needs no leave to read it any more. */
export function settleLease({ lease }: SessionState, piece: number): void {
  lease.pieces.delete(piece)
  lease.imports.delete(piece)
}

/** A link to another region is gone: what no other one has is not brought in any more. */
export function loseImports(state: SessionState): void {
  for (const piece of state.lease.imports) if (!isInReach(state, piece)) state.lease.imports.delete(piece)
}
