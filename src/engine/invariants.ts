import type { SessionState } from './session-state.ts'

/** What must hold after every step; each broken rule in words. Tests and the simulator call it after every event. */
export function checkInvariants(state: SessionState): string[] {
  const broken: string[] = []
  const expect = (holds: boolean, rule: string): void => {
    if (!holds) broken.push(rule)
  }
  const { stored, availability, requests, origin } = state
  for (let piece = 0; piece < state.layout.pieceCount; piece++) {
    const asked = requests.of(piece).length
    expect(!(stored.has(piece) && asked > 0), `piece ${piece} is stored and asked for`)
    expect(
      availability.isOpen(piece) === (!stored.has(piece) && asked === 0),
      `piece ${piece} is open exactly when it is missing and not asked for`,
    )
    expect(asked <= 2, `piece ${piece} is asked for ${asked} times`)
    expect(!state.fromOrigin.has(piece) || stored.has(piece), `piece ${piece} of the origin is stored`)
    let holders = 0
    for (const link of state.nearestFirst) if (!link.far && link.holds.has(piece)) holders++
    expect(availability.count(piece) === holders, `piece ${piece} is counted at its ${holders} holders`)
  }
  for (const link of state.nearestFirst) {
    let open = 0
    for (const piece of link.holds.indexes()) if (availability.isOpen(piece)) open++
    expect(link.openCount === open, `link ${link.id} has ${open} pieces to be asked for, not ${link.openCount}`)
    let fresh = 0
    for (const { link: told } of state.fresh.values()) if (told === link.id) fresh++
    expect(link.freshCount === fresh, `link ${link.id} alone knows of ${fresh} pieces, not ${link.freshCount}`)
  }
  if (state.askDueMs === Infinity) {
    for (const link of state.nearestFirst) {
      const idle = link.openCount > 0 && requests.countOf(link.id) === 0 && !link.distrusted
      expect(!idle, `link ${link.id} has nothing to be asked for while links are not looked at`)
    }
  }
  for (const [piece, { link }] of state.fresh) {
    expect(stored.has(piece), `piece ${piece} is here while one peer alone knows of it`)
    expect(state.links.has(link), `link ${link}, which alone knows of piece ${piece}, is open`)
  }
  const unasked = state.nearestFirst.filter((link) => !link.asked).length
  expect(state.unaskedCount === unasked, `${unasked} links were not asked what they have, not ${state.unaskedCount}`)
  const fetching = state.nearestFirst.filter((link) => link.fetching.length > 0).length
  expect(state.fetchingCount === fetching, `${fetching} links fetch something, not ${state.fetchingCount}`)
  expect(state.nearestFirst.length === state.links.size, 'every link has its place by distance')
  for (const piece of state.sole) {
    expect(stored.has(piece) && availability.count(piece) === 0, `piece ${piece} is here and nowhere near`)
  }
  for (const piece of state.lease.pieces.indexes()) expect(!stored.has(piece), `piece ${piece} is leased and not here`)
  for (const piece of state.lease.imports) expect(!stored.has(piece), `piece ${piece} is to be brought in and not here`)
  for (const request of requests.all()) {
    expect(state.links.has(request.link), `link ${request.link} is open while piece ${request.piece} is asked of it`)
  }
  for (const run of origin.runs.values()) {
    for (let piece = run.first; piece < run.first + run.count; piece++) {
      expect(run.settles || requests.of(piece).length === 0, `piece ${piece} is not asked for while run ${run.id} reads it`)
    }
    expect(run.count > 0 && run.first + run.count <= state.layout.pieceCount, `run ${run.id} lies inside the blob`)
  }
  const busy = requests.count > 0 || origin.runs.size > 0
  expect(!busy || state.phase === 'loading', `nothing is on its way while the session is ${state.phase}`)
  expect(state.phase !== 'complete' || stored.complete, 'a complete session has every piece')
  return broken
}
