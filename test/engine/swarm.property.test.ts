import assert from 'node:assert/strict'
import { describe, test } from 'vitest'
import { LittleSwarm } from '../support/little-swarm.ts'
import { SharedTracker } from '../support/shared-tracker.ts'
import { stormMs, stormySwarm } from '../support/stormy-swarm.ts'

/** A failing seed says so; run it alone with `SEED=… npm test -- test/engine/swarm.property.test.ts`. */
function forSeeds(count: number, property: (seed: number) => void): void {
  const only = process.env['SEED']
  const seeds = only === undefined ? Array.from({ length: count }, (_, seed) => seed) : [Number(only)]
  for (const seed of seeds) {
    try {
      property(seed)
    } catch (error) {
      throw new assert.AssertionError({ message: `seed ${seed}: ${error instanceof Error ? error.message : 'failed'}` })
    }
  }
}

/** All start within 100 ms, all are linked, nothing breaks. Without a tracker, each node's asks are granted as they stand. */
function calmSwarm(seed: number, source: 'origin' | 'seed', tracker = false): LittleSwarm {
  const swarm = new LittleSwarm({
    seed,
    pieceCount: 1 + ((seed * 7) % 64),
    latencyMs: 1 + (seed % 10),
    origin: { latencyMs: 30, pieceMs: 10 },
  })
  const { random, time } = swarm
  const nodeCount = 2 + random.below(7)
  const shared = tracker ? { companion: new SharedTracker(swarm, 1 + (seed % 10)).companion } : {}
  for (let index = 0; index < nodeCount; index++) {
    const complete = source === 'seed' && index === 0
    swarm.add({ ...shared, origin: source === 'origin', complete, rank: random.next() })
  }
  for (const a of swarm.nodes) {
    for (const b of swarm.nodes) if (a.index < b.index) time.after(random.below(50), () => swarm.connect(a, b))
    time.after(70 + random.below(100), () => a.want())
  }
  return swarm
}

describe('a calm swarm', () => {
  for (const source of ['origin', 'seed'] as const) {
    test(`gets every piece to every node, from one ${source}`, () => {
      forSeeds(60, (seed) => {
        const swarm = calmSwarm(seed, source)
        swarm.run(60_000, () => swarm.nodes.every((node) => node.complete))
        assert.deepEqual(swarm.problems, [])
        for (const node of swarm.nodes) {
          assert.equal(node.state.stored.count, swarm.layout.pieceCount)
          assert.ok(node.complete)
          assert.deepEqual(node.failures, [])
          assert.equal(node.distrusted, 0)
        }
        swarm.run(120_000)
        assert.deepEqual(swarm.problems, [])
        for (const node of swarm.nodes) assert.equal(node.busyCount, 0, 'nothing is under way at the end')
      })
    })
  }

  test('reads each piece from the origin once, where all ask one tracker', () => {
    forSeeds(100, (seed) => {
      const swarm = calmSwarm(seed, 'origin', true)
      swarm.run(60_000, () => swarm.nodes.every((node) => node.complete))
      assert.deepEqual(swarm.problems, [])
      assert.ok(swarm.nodes.every((node) => node.complete))
      assert.equal(swarm.origin.servedPieces, swarm.layout.pieceCount)
    })
  })

  test('wastes little on duplicates in the endgame', () => {
    let received = 0
    let needed = 0
    forSeeds(100, (seed) => {
      const swarm = calmSwarm(seed, 'seed')
      swarm.run(60_000, () => swarm.nodes.every((node) => node.complete))
      for (const node of swarm.nodes.slice(1)) {
        received += node.receivedPieces
        needed += swarm.layout.pieceCount
      }
    })
    assert.ok(received >= needed)
    assert.ok(received <= needed * 1.05, `${received} pieces came for ${needed}`)
  })
})

describe('a swarm in a storm', () => {
  test('gets every piece to every honest node while an honest source exists', () => {
    forSeeds(300, (seed) => {
      const { swarm, honest } = stormySwarm(seed)
      const complete = (): boolean => swarm.time.now > stormMs && honest.every((node) => node.complete)
      swarm.run(stormMs + 90_000, complete)
      assert.deepEqual(swarm.problems, [])
      const incomplete = honest.filter((node) => !node.complete)
      assert.deepEqual(
        incomplete.map(({ index, state, failures }) => ({ index, phase: state.phase, stored: state.stored.count, failures })),
        [],
      )
      swarm.run(swarm.time.now + 30_000)
      assert.deepEqual(swarm.problems, [])
      for (const node of honest) assert.equal(node.busyCount, 0, 'nothing is under way at the end')
    })
  })

  test('does the same for the same seed, and something else for another', () => {
    const fingerprint = (seed: number): number => {
      const { swarm } = stormySwarm(seed)
      swarm.run(stormMs)
      return swarm.fingerprint
    }
    const seeds = Array.from({ length: 20 }, (_, seed) => seed)
    assert.deepEqual(seeds.map(fingerprint), seeds.map(fingerprint))
    assert.equal(new Set(seeds.map(fingerprint)).size, seeds.length)
  })
})
