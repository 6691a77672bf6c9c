import assert from 'node:assert/strict'
import { describe, it } from 'vitest'
import { seededRandom } from '../../src/core/random.ts'
import { EventQueue } from './event-queue.ts'
import { FifoServers } from './fifo-servers.ts'
import { IndexHeap } from './index-heap.ts'
import { OriginEgress, type OriginFlow } from './origin-egress.ts'
import { drawPlace, Places } from './places.ts'
import { quantile } from './sim-result.ts'
import { Uplinks } from './uplinks.ts'

describe('IndexHeap', () => {
  it('gives the smallest key first, and equal ones in their order', () => {
    const random = seededRandom(7)
    const heap = new IndexHeap()
    const keys = Array.from({ length: 5000 }, () => random.below(300))
    for (const [index, key] of keys.entries()) heap.push(key, index)
    const expected = [...keys.keys()].toSorted((a, b) => (keys[a] ?? 0) - (keys[b] ?? 0) || a - b)
    assert.deepEqual(Array.from(keys, () => heap.pop()), expected)
    assert.equal(heap.minKey, Infinity)
  })
})

describe('EventQueue', () => {
  it('runs events in the order of their times, those of one moment as they were planned', () => {
    const queue = new EventQueue()
    const seen: string[] = []
    const kind = queue.register<string>((a, b, text) => seen.push(`${a}${b}${text}@${queue.now}`))
    queue.atWith(5, kind, 1, 2, 'x')
    queue.atWith(3, kind, 3, 4, 'y')
    queue.atWith(5, kind, 5, 6, 'z')
    while (queue.nextMs < Infinity) queue.runNext()
    assert.deepEqual(seen, ['34y@3', '12x@5', '56z@5'])
  })
})

describe('Uplinks', () => {
  /** Sends pieces of these sizes at these times over one uplink of 10 bytes a millisecond; returns when each had left. */
  function send(pieces: readonly { atMs: number; bytes: number }[], stop?: { atMs: number; piece: number }): number[] {
    const queue = new EventQueue()
    const sentMs: number[] = pieces.map(() => NaN)
    const uplinks = new Uplinks(queue, Float64Array.of(10), (_, piece) => (sentMs[piece] = queue.now))
    const start = queue.register((piece) => uplinks.start(0, piece, pieces[piece]?.bytes ?? 0))
    const end = queue.register((piece) => (sentMs[piece] = -uplinks.stop(0, piece)))
    for (const [piece, { atMs }] of pieces.entries()) queue.at(atMs, start, piece, 0)
    if (stop) queue.at(stop.atMs, end, stop.piece, 0)
    while (queue.nextMs < Infinity) queue.runNext()
    return sentMs.map((ms) => Math.round(ms * 1000) / 1000)
  }

  it('share evenly', () => {
    assert.deepEqual(send([{ atMs: 0, bytes: 100 }, { atMs: 0, bytes: 100 }]), [20, 20])
    // Alone for 5 ms, then half of it each; what is left of the second has the uplink for itself again.
    assert.deepEqual(send([{ atMs: 0, bytes: 100 }, { atMs: 5, bytes: 100 }]), [15, 20])
    assert.deepEqual(send([{ atMs: 0, bytes: 100 }, { atMs: 5, bytes: 10 }]), [11, 7])
  })

  it('give the share of what is stopped to the others', () => {
    assert.deepEqual(send([{ atMs: 0, bytes: 100 }, { atMs: 0, bytes: 100 }], { atMs: 10, piece: 1 }), [15, -50])
  })
})

describe('FifoServers', () => {
  it('pass on what comes slowly without delay, and queue what comes too fast', () => {
    const wires = new FifoServers(Float64Array.of(10))
    assert.equal(wires.pass(0, 0, 40, 100), 40)
    assert.equal(wires.pass(0, 100, 104, 100), 110)
    assert.equal(wires.pass(0, 100, 105, 100), 120)
  })

  it('do not make four wait for each other that came together', () => {
    const wires = new FifoServers(Float64Array.of(10))
    assert.deepEqual(Array.from({ length: 4 }, () => wires.pass(0, 0, 40, 100)), [40, 40, 40, 40])
    assert.equal(wires.pass(0, 0, 40, 100), 50)
  })
})

describe('OriginEgress', () => {
  it('shares evenly what each flow can take', () => {
    const queue = new EventQueue()
    const sentMs = new Map<number, number>()
    const egress = new OriginEgress(queue, 100, (flow) => sentMs.set(flow.node, queue.now))
    const flow = (node: number, cap: number): OriginFlow => ({
      node, cap, run: 1, first: 0, count: 1, sent: 0, stored: 0, ended: false, movedMs: 0, bytesOf: () => 1000,
    })
    // 10 for the slow one, 45 for each of the others, then 90 for the last.
    const half = flow(3, 1000)
    for (const each of [flow(1, 10), flow(2, 1000), half]) egress.start(each)
    const stop = queue.register(() => assert.ok(Math.abs(egress.stop(half) - 450) < 1e-6))
    queue.at(10, stop, 0, 0)
    while (queue.nextMs < Infinity) queue.runNext()
    assert.equal(Math.round(sentMs.get(2) ?? 0), Math.round(10 + 550 / 90))
    assert.equal(Math.round(sentMs.get(1) ?? 0), 100)
    assert.equal(sentMs.has(3), false)
  })
})

describe('Places', () => {
  it('let each node know up to twenty others at each distance', () => {
    const random = seededRandom(3)
    const places = new Places(Array.from({ length: 500 }, () => drawPlace(random)))
    for (let node = 0; node < 500; node++) {
      const view = places.view(node, random)
      assert.equal(new Set(view).size, view.length)
      assert.ok(!view.includes(node))
      const perDistance = new Map<number, number>()
      for (const other of view) {
        const bits = commonBits(places.of(node), places.of(other))
        perDistance.set(bits, (perDistance.get(bits) ?? 0) + 1)
      }
      assert.equal(perDistance.get(0), 20)
      for (const count of perDistance.values()) assert.ok(count <= 20)
      for (let other = 0; other < 500; other++) {
        const isNear = other !== node && commonBits(places.of(node), places.of(other)) >= 6
        if (isNear) assert.ok(view.includes(other), 'the nearest are all known')
      }
    }
  })
})

describe('quantile', () => {
  it('is a value that was measured', () => {
    assert.equal(quantile([1, 2, 3, 4], 0.5), 2)
    assert.equal(quantile([1, 2, 3, 4], 0.99), 4)
    assert.equal(quantile([], 0.5), NaN)
  })
})

function commonBits(a: Uint8Array, b: Uint8Array): number {
  for (let bit = 0; bit < 8 * a.length; bit++) {
    const mask = 0x80 >> (bit & 7)
    if (((a[bit >> 3] ?? 0) & mask) !== ((b[bit >> 3] ?? 0) & mask)) return bit
  }
  return 8 * a.length
}
