import assert from 'node:assert/strict'
import { describe, test } from 'vitest'
import { sharedContent } from './contents.ts'
import { Lab } from './lab.ts'
import type { LabNode } from './lab-node.ts'
import { Oracle } from './reader.ts'

const dayMs = 86_400_000
const content = sharedContent(11, 40 * 256 * 1024)

interface Pulling {
  readonly lab: Lab
  readonly seed: LabNode
  readonly node: LabNode
  readonly pull: Promise<void>
}

/** A node that is in the midst of a pull from another, at 1 MB/s: it takes ten seconds in all. */
async function pulling(seedNumber: number, fromOrigin = false): Promise<Pulling> {
  const lab = new Lab(seedNumber, { latencyMs: () => 5 })
  const seed = await lab.addNode({ uplinkBytesPerSecond: 1_000_000 })
  const node = await lab.addNode()
  const oracle = new Oracle(() => false)
  const read = { content, private: false, how: 'fetch' } as const
  await lab.time.until(oracle.read({ ...read, node: seed, origin: lab.origin.of(content, seed) }))
  const pull = oracle.read({ ...read, node, origin: fromOrigin ? lab.origin.of(content, node) : undefined }).then(() => assert.deepEqual(oracle.violations, []))
  await lab.time.run(lab.time.now + 3000)
  assert.equal(node.committed.size, 0)
  return { lab, seed, node, pull }
}

function assertNobodyBlamed({ seed, node }: Pulling): void {
  for (const { told } of [seed, node]) assert.deepEqual(told.filter(({ name }) => name === 'peer:banned'), [])
}

describe('clocks that misbehave', () => {
  test.each([['a day ahead', dayMs], ['a day back', -dayMs], ['to 1970', -1_750_000_000_000]])(
    'C1: a wall clock that is set %s during a pull changes nothing',
    async (_, byMs) => {
      const calm = await pulling(1)
      await calm.lab.time.until(calm.pull)
      const run = await pulling(1)
      run.node.loop.setWallForward(byMs)
      run.seed.loop.setWallForward(-byMs / 2)
      await run.lab.time.until(run.pull)
      assert.equal(run.lab.time.now, calm.lab.time.now, 'it takes as long as without')
      assert.notEqual(await run.node.disk.backend.stat(content.digest), undefined)
      assertNobodyBlamed(run)
    },
  )

  test('C2: clocks that differ by ten minutes do not keep nodes from each other', async () => {
    const run = await pulling(2)
    run.seed.loop.setWallForward(600_000)
    await run.lab.time.until(run.pull)
    assertNobodyBlamed(run)
  })

  test('C3: of a process that was stopped for ten minutes the links are reset once, and nobody is banned for that', async () => {
    const run = await pulling(3, true)
    const { lab, node } = run
    const before = node.told.length
    node.loop.block(600_000)
    lab.network.stall(node.libp2p)
    await lab.time.run(lab.time.now + 600_000)
    const resumedMs = lab.time.now
    await lab.time.until(run.pull)
    assert.ok(lab.time.now - resumedMs < 30_000, `${lab.time.now - resumedMs} ms`)
    assert.equal(node.told.slice(before).filter(({ name }) => name === 'peer:unlinked').length, 1)
    assertNobodyBlamed(run)
  })

  test('C4: who did nothing itself for five seconds does not blame its peers for them', async () => {
    const run = await pulling(4)
    const { lab, node } = run
    const unlinked = node.told.length
    node.loop.block(5000)
    await lab.time.until(run.pull)
    assert.deepEqual(node.told.slice(unlinked).filter(({ name }) => name === 'peer:unlinked'), [], 'the link stays')
    const events = node.swarm.explain(content.digest).events.filter(({ type }) => type === 'origin:asked')
    assert.deepEqual(events, [])
    assertNobodyBlamed(run)
  })
})
