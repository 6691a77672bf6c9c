import assert from 'node:assert/strict'
import { describe, test } from 'vitest'
import type { BlobContent } from '../../src/testing/seeded-content.ts'
import { sharedContent } from './contents.ts'
import { Lab, type LabOptions } from './lab.ts'
import type { LabNode } from './lab-node.ts'
import { Oracle } from './reader.ts'

const kib = 1024

/** Nodes that pull a blob, and who may be banned: nobody, for all are honest. */
class Rows {
  readonly lab: Lab
  readonly content: BlobContent
  readonly oracle = new Oracle(() => false)

  constructor(seed: number, pieces: number, options: LabOptions = {}) {
    this.lab = new Lab(seed, { latencyMs: () => 5, ...options })
    this.content = sharedContent(seed, pieces * 256 * kib)
  }

  async nodes(count: number, options: Parameters<Lab['addNode']>[0] = {}): Promise<LabNode[]> {
    const nodes: LabNode[] = []
    while (nodes.length < count) nodes.push(await this.lab.addNode(options))
    return nodes
  }

  /** @param fromOrigin - whether it may read from there */
  pull(node: LabNode, fromOrigin = true): Promise<void> {
    const { lab, content, oracle } = this
    const origin = fromOrigin ? lab.origin.of(content, node) : undefined
    return oracle.read({ node, content, origin, private: false, how: 'fetch' })
  }

  get originBytes(): number {
    return this.lab.origin.sentBytes.get(this.content.digest) ?? 0
  }

  between(ones: readonly LabNode[], others: readonly LabNode[], act: (from: string, to: string) => void): void {
    for (const a of ones) for (const b of others) for (const [from, to] of [[a, b], [b, a]] as const) act(from.name, to.name)
  }

  /** What must hold at the end of each row. */
  assertWell(): void {
    assert.deepEqual(this.oracle.violations, [])
    for (const node of this.lab.nodes) {
      assert.deepEqual(node.told.filter(({ name }) => name === 'peer:banned'), [], 'nobody is banned')
      if (node.running) assert.deepEqual([...node.committed], [this.content.digest])
    }
  }
}

describe('networks that misbehave', () => {
  test('N1: two halves that are cut off for thirty seconds both complete, the one from what it has or the origin', async () => {
    const rows = new Rows(1, 20, { originBytesPerSecond: 1_000_000 })
    const nodes = await rows.nodes(4)
    const pulls = Promise.all(nodes.map((node) => rows.pull(node)))
    const { time, network } = rows.lab
    await time.run(1500)
    rows.between(nodes.slice(0, 2), nodes.slice(2), (from, to) => network.block(from, to))
    time.after(30_000, () => rows.between(nodes.slice(0, 2), nodes.slice(2), (from, to) => network.open(from, to)))
    await time.until(pulls)
    assert.ok(time.now < 30_000, `they waited for the other half: ${time.now} ms`)
    await time.run(60_000)
    rows.assertWell()
  })

  test('N2: of a node whose answers are lost on the way, the others take no notice after ten seconds', async () => {
    const rows = new Rows(2, 20)
    const [seed, dumb, node] = await rows.nodes(3, { uplinkBytesPerSecond: 1_000_000 })
    assert.ok(seed && dumb && node)
    const { time, network } = rows.lab
    await time.until(Promise.all([rows.pull(seed), rows.pull(dumb)]))
    const startedMs = time.now
    const pull = rows.pull(node, false)
    await time.run(startedMs + 800)
    network.block(dumb.name, node.name)
    await time.until(pull)
    assert.ok(time.now - startedMs < 10_000 + 5300, `${time.now - startedMs} ms`)
    rows.assertWell()
  })

  test('N3: a storm of resets and losses ends no pull, and bans nobody', async () => {
    const rows = new Rows(3, 20)
    const nodes = await rows.nodes(5, { uplinkBytesPerSecond: 2_000_000 })
    const { time, network, random } = rows.lab
    rows.between(nodes, nodes, (from, to) => {
      network.conditions.way(from, to).loss = 0.3
    })
    const storm = (): void => {
      const [a, b] = [nodes[random.below(nodes.length)], nodes[random.below(nodes.length)]]
      if (a && b && a !== b) network.reset(a.libp2p, b.libp2p)
      if (time.now < 20_000) time.after(200, storm)
    }
    storm()
    await time.until(Promise.all(nodes.map((node) => rows.pull(node))))
    await time.run(25_000)
    rows.assertWell()
  })

  test('N4: a node whose link was down for twenty seconds goes on within fifteen when it is up', async () => {
    const rows = new Rows(4, 40)
    const [seed, node] = await rows.nodes(2, { uplinkBytesPerSecond: 1_000_000 })
    assert.ok(seed && node)
    const { time, network } = rows.lab
    await time.until(rows.pull(seed))
    const pull = rows.pull(node, false)
    await time.run(time.now + 2000)
    rows.between([seed], [node], (from, to) => network.block(from, to))
    await time.run(time.now + 20_000)
    const before = node.told.filter(({ name }) => name === 'piece:stored').length
    rows.between([seed], [node], (from, to) => network.open(from, to))
    await time.run(time.now + 15_000, () => node.told.filter(({ name }) => name === 'piece:stored').length > before)
    assert.ok(node.told.filter(({ name }) => name === 'piece:stored').length > before, 'pieces come again')
    await time.until(pull)
    rows.assertWell()
  })

  test('N5: everything works when a supernode dies', async () => {
    const rows = new Rows(5, 20, { originBytesPerSecond: 2_000_000 })
    const [supernode] = await rows.nodes(1, { swarm: { role: 'supernode' } })
    assert.ok(supernode)
    const supernodes = supernode.libp2p.getMultiaddrs().map(String)
    const nodes = await rows.nodes(4, { swarm: { supernodes } })
    const { time } = rows.lab
    time.after(1000, () => supernode.kill())
    await time.until(Promise.all(nodes.map((node) => rows.pull(node))))
    assert.ok(rows.originBytes <= 2 * rows.content.sizeBytes, `${rows.originBytes} bytes were read`)
    rows.assertWell()
  })

  test('N6: fifty nodes that start at once read a blob once from its origin', { timeout: 120_000 }, async () => {
    const rows = new Rows(6, 16, { originBytesPerSecond: 2_000_000 })
    const nodes = await rows.nodes(50)
    await rows.lab.time.until(Promise.all(nodes.map((node) => rows.pull(node))))
    assert.ok(rows.originBytes <= 1.02 * rows.content.sizeBytes, `${rows.originBytes / rows.content.sizeBytes} times its size`)
    rows.assertWell()
  })

  test('N7: with one loss in a hundred and two hundred milliseconds there and back, nothing that moves is given up', async () => {
    const rows = new Rows(7, 20, { latencyMs: () => 100 })
    const [seed, node] = await rows.nodes(2)
    assert.ok(seed && node)
    const { time, network } = rows.lab
    await time.until(rows.pull(seed))
    rows.between([seed], [node], (from, to) => {
      network.conditions.way(from, to).loss = 0.01
    })
    await time.until(rows.pull(node, false))
    for (const { told } of [seed, node]) assert.deepEqual(told.filter(({ name }) => name === 'peer:unlinked'), [])
    rows.assertWell()
  })
})
