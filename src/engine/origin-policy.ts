import type { PieceRun } from '../wire/messages.ts'
import type { Effect } from './effect.ts'
import { isCountedOn, isUnfinished, type LinkState } from './link-state.ts'
import { inRuns, runsFrom, type OriginRun, type SessionState } from './session-state.ts'

const mib = 1024 * 1024
/**
 * With others around, a node reads this many pieces at a time: what it dies with is fetched again by others. Four runs of two: with two
 * of four the second of two nodes is done after 1.19 times the bound (here 1.11), with eight of one there are twice the requests.
 */
const sharedRunPieces = 2
const sharedRuns = 4
/** Between regions more is under way at any time. */
const farRuns = 8
/** A node that nobody waits for loses nothing by asking for much at once, and saves round trips; the more, the less anybody may come. */
const unsharedRunBytes = 16 * mib
const loneRunBytes = 64 * mib
/** Two, not one: the origin's answer to the second travels while the first one's bytes do. */
const unsharedRuns = 2

/** Reads from the origin what a lease allows and peers cannot give, as far as others take it. */
export function fetchFromOrigin(state: SessionState, now: number, effects: Effect[]): void {
  settleDoubts(state, now, effects)
  while (mayFetch(state, now)) {
    const run = planRun(state, now)
    if (!run) return
    startRun(state, run, false, now, effects)
  }
}

/** One at a time, with no lease: it is rare, and everything that rests on the piece waits for it. */
function settleDoubts(state: SessionState, now: number, effects: Effect[]): void {
  const { origin } = state
  const [piece] = origin.doubted
  if (piece === undefined || state.phase !== 'loading' || !origin.usable) return
  if (now < origin.backoffUntilMs || now < origin.retryAtMs) return
  for (const run of origin.runs.values()) if (run.settles || inRuns([run], piece)) return
  startRun(state, { first: piece, count: 1 }, true, now, effects)
}

function startRun(state: SessionState, run: PieceRun, settles: boolean, now: number, effects: Effect[]): void {
  const id = state.nextRun++
  state.origin.runs.set(id, { id, ...run, movedMs: now, settles })
  effects.push({ type: 'fetch', run: id, first: run.first, count: run.count })
}

/** Whether a session may turn to the origin at this time. */
function mayFetch(state: SessionState, now: number): boolean {
  const { origin, lease } = state
  if (state.phase !== 'loading' || !origin.usable) return false
  if (!origin.only && (lease.pieces.count === 0 || now >= lease.expiresMs)) return false
  // An origin that failed is tried with one run before it gets two.
  if (origin.runs.size >= maxRuns(state)) return false
  return now >= origin.backoffUntilMs && now >= origin.retryAtMs
}

/** Whether everybody who could be found at once was found, and has said what it holds; or took too long. */
export function hasSettled(state: SessionState, now: number): boolean {
  if (now >= state.startedMs + state.tuning.settleMs) return true
  if (!state.settled) return false
  for (const link of state.nearestFirst) if (link.asked && !link.answered) return false
  return true
}

/** What we are reading from the origin or bringing in from another region, as peers are told. */
export function runsOf(state: SessionState): PieceRun[] {
  const runs = [...state.origin.runs.values()].filter(({ settles }) => !settles).map(({ first, count }) => ({ first, count }))
  if (state.lease.imports.size === 0) return runs
  const asked = [...state.lease.imports].filter((piece) => state.requests.of(piece).length > 0)
  return [...runs, ...runsFrom(asked.toSorted((a, b) => a - b), maxToldRuns - runs.length)]
}

/** What a message of the wire protocol carries. */
const maxToldRuns = 64

/**
 * Nothing came for long, though peers say that they have or fetch what is missing: they are not waited for any
 * longer. Whoever delivers is counted on again.
 */
export function losePatience(state: SessionState, now: number): void {
  if (now - state.movedMs < state.tuning.idleMs || !state.origin.usable) return
  for (const link of state.nearestFirst) {
    // Who began a moment ago could not give anything yet.
    const isLate = now - link.offersMs >= state.tuning.idleMs
    if (isLate && isCountedOn(link) && isWaitedFor(state, link)) link.score.failed(now)
  }
}

/** Who has and fetches nothing, or is far and was not asked, is not to blame, and is asked as soon as it has something. */
export function isWaitedFor(state: SessionState, link: LinkState): boolean {
  return (!link.far && (link.openCount > 0 || link.fetching.length > 0)) || state.requests.countOf(link.id) > 0
}

/** A run that stands still is given up where a peer now has some of it. */
export function endOvertakenRuns(state: SessionState, now: number, effects: Effect[]): void {
  if (state.origin.only || state.origin.runs.size === 0) return
  for (const run of state.origin.runs.values()) {
    if (run.settles || now - run.movedMs < state.tuning.fetchStaleMs || !isHeldByPeers(state, run, now)) continue
    state.origin.runs.delete(run.id)
    effects.push({ type: 'trim', run: run.id, count: 0 })
  }
}

function isHeldByPeers(state: SessionState, run: OriginRun, now: number): boolean {
  for (const link of state.nearestFirst) {
    if (link.far || !isCountedOn(link) || !link.score.mayAsk(now)) continue
    for (let piece = run.first; piece < run.first + run.count; piece++) {
      if (!state.stored.has(piece) && link.holds.has(piece)) return true
    }
  }
  return false
}

/**
 * The next pieces to read: consecutive ones of the lease that are not here or on their way, and that no linked
 * peer has or is fetching. Readers are served first; otherwise each node begins elsewhere.
 */
function planRun(state: SessionState, now: number): PieceRun | undefined {
  const { layout, origin, lease } = state
  const lone = state.nearestFirst.length === 0
  const most = isShared(state) ? room(state) : unsharedPieces(lone ? loneRunBytes : unsharedRunBytes, layout.pieceLength)
  if (most <= 0) return undefined
  const wanted = (piece: number): boolean =>
    (origin.only || lease.pieces.has(piece)) &&
    state.availability.isOpen(piece) &&
    !inRuns(origin.runs.values(), piece) &&
    (origin.only || !comesFromPeers(state, piece, now))
  const first = firstWanted(state, wanted, lone || origin.only)
  if (first === undefined) return undefined
  let count = 1
  while (count < most && first + count < layout.pieceCount && wanted(first + count)) count++
  return { first, count }
}

function maxRuns(state: SessionState): number {
  if (state.origin.failures > 0) return 1
  if (!isShared(state)) return unsharedRuns
  return hasFarLinks(state) ? farRuns : sharedRuns
}

/** Whether there are regions: the origin, or a piece to bring in, may then be a long way off. */
function hasFarLinks({ nearestFirst }: SessionState): boolean {
  return nearestFirst.at(-1)?.far ?? false
}

/** Whether some near peer wants what we read. */
function isShared(state: SessionState): boolean {
  return state.nearestFirst.some((link) => !link.far && isUnfinished(link))
}

function unsharedPieces(bytes: number, pieceLength: number): number {
  return Math.max(sharedRunPieces, Math.ceil(bytes / pieceLength))
}

/**
 * How many pieces may be read on: those that nobody near has are lost with us.
 */
function room(state: SessionState): number {
  let soleCount = state.sole.size
  for (const run of state.origin.runs.values()) {
    for (let piece = run.first; piece < run.first + run.count; piece++) if (!state.stored.has(piece)) soleCount++
  }
  if (state.origin.only) return sharedRunPieces
  const { soleCopies, farSoleCopies } = state.tuning
  const left = (hasFarLinks(state) ? farSoleCopies : soleCopies) - soleCount
  // While another run keeps the origin busy, a request for less than a full run is not worth it.
  return left < sharedRunPieces && state.origin.runs.size > 0 ? 0 : Math.min(sharedRunPieces, left)
}

function firstWanted(
  state: SessionState,
  wanted: (piece: number) => boolean,
  fromTheFront: boolean,
): number | undefined {
  const { pieceCount } = state.layout
  const [reader] = state.readers
  const start = reader ?? (fromTheFront ? 0 : state.startPiece)
  for (let step = 0; step < pieceCount; step++) {
    const piece = (start + step) % pieceCount
    if (wanted(piece)) return piece
  }
  return undefined
}

/** Whether a near peer that can be counted on has the piece, or is fetching it. */
export function comesFromPeers(state: SessionState, piece: number, now: number): boolean {
  const rare = state.availability.count(piece) === 0
  for (const link of state.nearestFirst) {
    if (link.far || !isCountedOn(link)) continue
    if (!rare && link.holds.has(piece)) return true
    if (isFetching(state, link, piece, now)) return true
  }
  return false
}

function isFetching(state: SessionState, link: LinkState, piece: number, now: number): boolean {
  return (
    link.fetching.length > 0 && now - link.fetchingMs < state.tuning.fetchStaleMs && inRuns(link.fetching, piece)
  )
}

/** How many pieces of our run to keep when a peer with precedence fetches some of the same: those before the overlap. */
export function keptCount(run: OriginRun, theirs: readonly PieceRun[], state: SessionState): number {
  const end = run.first + run.count
  const firstMissing = state.stored.firstMissing(run.first)
  for (let piece = firstMissing; piece < end; piece++) {
    if (state.stored.has(piece) || !inRuns(theirs, piece)) continue
    return piece === firstMissing ? 0 : piece - run.first
  }
  return run.count
}
