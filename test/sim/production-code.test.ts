import assert from 'node:assert/strict'
import { describe, it, vi } from 'vitest'
import type { SessionState } from '../../src/engine/session-state.ts'
import type { LinkState } from '../../src/engine/link-state.ts'
import { defaultSimOptions, type SimOptions } from './sim-options.ts'

const options: SimOptions = { ...defaultSimOptions, nodes: 30, size: 64 * 1024 ** 2 }

/** The first piece that a peer has, whatever others ask for. */
function pickFirst(state: SessionState, link: LinkState): number | undefined {
  for (const piece of link.holds.indexes()) if (state.availability.isOpen(piece)) return piece
  return undefined
}

describe('the simulator', () => {
  it('runs the production engine: with a bad picker of pieces the swarm is slower', async () => {
    const { simulate } = await import('./simulation.ts')
    const good = simulate(options)
    vi.resetModules()
    vi.doMock('../../src/engine/piece-picker.ts', async (original) => ({ ...(await original<object>()), pickPiece: pickFirst }))
    const { simulate: simulateBad } = await import('./simulation.ts')
    const bad = simulateBad(options)
    assert.ok(bad.p50Ms > 1.1 * good.p50Ms, `${bad.p50Ms} ms in order, ${good.p50Ms} ms by rarity`)
  })
})
