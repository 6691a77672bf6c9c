import assert from 'node:assert/strict'
import { describe, it } from 'vitest'
import { defaultSimOptions, type SimOptions } from './sim-options.ts'
import type { SimResult } from './sim-result.ts'
import { simulate } from './simulation.ts'

const mib = 1024 ** 2

function run(options: Partial<SimOptions>): SimResult {
  return simulate({ ...defaultSimOptions, nodes: 24, size: 24 * mib, ...options })
}

/** What a run must repeat; the machine's part is left out. */
function figures(result: SimResult): object {
  return { ...result, wallSeconds: 0, rssBytes: 0 }
}

function assertConserved(result: SimResult): void {
  const { uploadedBytes, originBytes, keptBytes, duplicateBytes, lostBytes } = result
  // Rounding of each of them, and of thousands of parts of pieces.
  assert.ok(Math.abs(uploadedBytes + originBytes - keptBytes - duplicateBytes - lostBytes) <= 4)
}

describe('a simulated swarm', () => {
  it('repeats itself with the same seed', () => {
    assert.deepEqual(figures(run({})), figures(run({})))
  })

  it('differs with another seed', () => {
    assert.notDeepEqual(run({}).timesMs, run({ seed: 2 }).timesMs)
  })

  it('gives every node every byte', () => {
    const result = run({ check: true })
    assert.equal(result.unfinished, 0)
    assert.equal(result.keptBytes, 24 * 24 * mib)
  })

  it('loses and invents no byte', () => {
    assertConserved(run({}))
    assertConserved(run({ overhead: 1.04 }))
    assertConserved(run({ killFraction: 0.3 }))
  })

  it('takes a lone node as long as its downlink needs', () => {
    const { ratioP99, originBytesRatio } = run({ nodes: 1, size: 512 * mib })
    assert.ok(ratioP99 > 1 && ratioP99 < 1.03, `${ratioP99} times the bound`)
    assert.equal(originBytesRatio, 1)
  })

  it('is never faster than the bound', () => {
    for (const options of [{}, { origin: 0.1e6 / 8 }, { up: 0.2e6 / 8 }, { slow: { fraction: 0.2, rate: 0.1 } }]) {
      const { maxMs, lowerBoundMs, unfinished } = run(options)
      assert.equal(unfinished, 0)
      assert.ok(maxMs >= lowerBoundMs, `${maxMs} ms where ${lowerBoundMs} ms is the bound`)
    }
  })

  it('counts the latency of regions and what passes between them', () => {
    const result = run({ regions: 3, wan: 1e6 / 8, check: true })
    assert.equal(result.unfinished, 0)
    assert.equal(result.wanBytes.regions.length, 3)
    assert.ok(result.wanBytes.sum >= 2 * 24 * mib, 'each region but the first imports the blob')
    assertConserved(result)
  })

  it('survives deaths, partitions and an origin that refuses', () => {
    const hardships: Partial<SimOptions>[] = [
      { killFraction: 0.3, killHow: 'silent' },
      { killFraction: 0.3, killHow: 'reset' },
      { kill: [{ who: 'fetcher', atMs: 300 }, { who: 'tracker', atMs: 400 }] },
      { partition: { fraction: 0.5, fromMs: 200, toMs: 900 } },
      { originRequests: 1 },
    ]
    for (const options of hardships) {
      const result = run({ ...options, check: true })
      assert.equal(result.unfinished, 0, JSON.stringify(options))
      assertConserved(result)
    }
    assert.ok(run({ originRequests: 1 }).originRefusals > 0)
  })

  it('gives a blob of one piece to all', () => {
    const result = run({ size: 12 * 1024, check: true })
    assert.equal(result.unfinished, 0)
    assert.equal(result.keptBytes, 24 * 12 * 1024)
  })

  it('lets readers have the beginning sooner', () => {
    const options = { size: 128 * mib }
    assert.ok(run({ ...options, readers: 'all' }).firstTenthMs < run({ ...options, readers: 'none' }).firstTenthMs)
  })
})
