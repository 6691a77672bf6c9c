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
    for (const link of state.links.values()) if (link.holds.has(piece)) holders++
    expect(availability.count(piece) === holders, `piece ${piece} is counted at its ${holders} holders`)
  }
  for (const request of requests.all()) {
    expect(state.links.has(request.link), `link ${request.link} is open while piece ${request.piece} is asked of it`)
  }
  for (const run of origin.runs.values()) {
    for (let piece = run.first; piece < run.first + run.count; piece++) {
      expect(requests.of(piece).length === 0, `piece ${piece} is not asked for while run ${run.id} reads it`)
    }
    expect(run.count > 0 && run.first + run.count <= state.layout.pieceCount, `run ${run.id} lies inside the blob`)
  }
  const busy = requests.count > 0 || origin.runs.size > 0
  expect(!busy || state.phase === 'loading', `nothing is on its way while the session is ${state.phase}`)
  expect(state.phase !== 'complete' || stored.complete, 'a complete session has every piece')
  return broken
}
