import { turnToOrigin } from './rejected-pieces.ts'
import type { SessionState } from './session-state.ts'

/** So many peers failed us since the last piece came, and it came so long ago: others like them would go on doing so. */
const peerCount = 2
const withoutPieceMs = 4000

/**
 * Each new peer that says it has a piece is believed for a while, and there may be any number of new ones: when several have failed and nothing
 * came for long, the origin is read without regard to what peers say.
 */
export function doubtPeers(state: SessionState, now: number): void {
  const { luckless, startedMs, origin } = state
  if (origin.only || luckless.links.size < peerCount) return
  if (now - Math.max(luckless.storedMs, startedMs) >= withoutPieceMs) turnToOrigin(state)
}
