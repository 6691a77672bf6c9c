import assert from 'node:assert/strict'
import { describe, it } from 'vitest'
import { plot } from './plot.ts'
import { defaultSimOptions } from './sim-options.ts'
import { simulate } from './simulation.ts'

describe('the plot of a run', () => {
  it('is well-formed, and marks the bound and the native time', () => {
    for (const options of [{ nodes: 1 }, { nodes: 3 }, { nodes: 40, killFraction: 0.2 }]) {
      const simulated = { ...defaultSimOptions, size: 8 * 1024 ** 2, ...options }
      const svg = plot(simulated, simulate(simulated))
      assertWellFormed(svg)
      assert.match(svg, /lower bound/)
      assert.match(svg, /native/)
      assert.doesNotMatch(svg, /NaN|undefined|Infinity/)
    }
  })
})

/** Every element that opens closes, in the right order, and has quoted attributes. */
function assertWellFormed(xml: string): void {
  const open: string[] = []
  let end = 0
  for (const match of xml.matchAll(/<(\/?)([a-z]+)((?: [a-zA-Z0-9-]+="[^"<&]*")*)(\/?)>/g)) {
    const [whole, closing, name = '', , alone] = match
    assert.doesNotMatch(xml.slice(end, match.index), /[<>]|&(?!amp;|lt;)/)
    end = match.index + whole.length
    if (closing) assert.equal(open.pop(), name)
    else if (!alone) open.push(name)
  }
  assert.deepEqual(open, [])
  assert.equal(xml.slice(end).trim(), '')
}
