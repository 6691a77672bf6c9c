import assert from 'node:assert/strict'
import { describe, test } from 'vitest'
import type { Digest } from '../../src/core/digest.ts'
import { UploadQueue, uploadRank, type UploadRequest } from '../../src/engine/upload-queue.ts'
import { drawnSession } from '../support/drawn-session.ts'

const digest: Digest = `sha256:${'0'.repeat(64)}`
let ids = 0

function request(link: number, piece: number): UploadRequest {
  return { id: ++ids, link, digest, piece }
}

const equalRank = (): number => 0

/** What is served, in order, when each upload ends before the next begins. */
function serve(queue: UploadQueue, rank: (request: UploadRequest) => number, count: number): UploadRequest[] {
  const served: UploadRequest[] = []
  while (served.length < count) {
    const next = queue.next(rank)
    if (!next) break
    served.push(next)
    queue.remove(next.id)
  }
  return served
}

describe('uploadRank', () => {
  test('a piece that no other neighbour has goes before one that spreads already', () => {
    const { state } = drawnSession({ have: '****', peers: ['**  ', '*   '], complete: true, wanted: false })
    assert.ok(uploadRank(state, 1, 3) < uploadRank(state, 2, 1))
  })

  test('of equal pieces, the receiver that has least goes first', () => {
    const { state } = drawnSession({ have: '****', peers: ['**  ', '*   '], complete: true, wanted: false })
    assert.ok(uploadRank(state, 2, 3) < uploadRank(state, 1, 3))
    assert.ok(uploadRank(state, 2, 1) < uploadRank(state, 1, 0))
  })

  test('whatever the receiver has, rarity counts more', () => {
    const { state } = drawnSession({ have: '*****', peers: ['**** ', '     '], complete: true, wanted: false })
    assert.ok(uploadRank(state, 1, 4) < uploadRank(state, 2, 0))
  })
})

describe('uploadRank of a receiver in another region', () => {
  test('goes before all others, whatever it has and however many have the piece', () => {
    const drawing = { have: '****', peers: ['    ', '*** '], distances: [2, 3], complete: true, wanted: false }
    const { state } = drawnSession(drawing)
    assert.ok(uploadRank(state, 2, 0) < uploadRank(state, 1, 3))
  })
})

describe('UploadQueue', () => {
  test('serves the lowest rank first, three turns in four', () => {
    const queue = new UploadQueue(16)
    for (let piece = 0; piece < 12; piece++) queue.add(request(piece, piece))
    const order = serve(queue, ({ piece }) => -piece, 12).map(({ piece }) => piece)
    assert.deepEqual(order, [0, 11, 10, 9, 1, 8, 7, 6, 2, 5, 4, 3])
  })

  test('a request that ranks last is served all the same', () => {
    const queue = new UploadQueue(16)
    const unlucky = request(1, 0)
    queue.add(request(2, 1))
    queue.add(unlucky)
    for (let turn = 0; turn < 20; turn++) {
      queue.add(request(3 + turn, 1))
      const [served] = serve(queue, ({ link }) => (link === 1 ? 1 : 0), 1)
      if (served === unlucky) return
    }
    assert.fail('it starves')
  })

  test('among equals, who came first is served first', () => {
    const queue = new UploadQueue(16)
    for (let link = 1; link <= 6; link++) queue.add(request(link, 0))
    assert.deepEqual(
      serve(queue, equalRank, 6).map(({ link }) => link),
      [1, 2, 3, 4, 5, 6],
    )
  })

  test('serves eight at a time, and the next when one has ended', () => {
    const queue = new UploadQueue(16)
    for (let link = 1; link <= 10; link++) queue.add(request(link, 0))
    const serving = [1, 2, 3, 4, 5, 6, 7, 8, 9].map(() => queue.next(equalRank))
    assert.equal(serving.filter(Boolean).length, 8)
    assert.equal(queue.waitingCount, 2)
    queue.remove(serving[1]?.id ?? 0)
    assert.equal(queue.next(equalRank)?.link, 9)
    assert.equal(queue.next(equalRank), undefined)
  })

  test('is busy for a peer that has too many requests waiting, and for no other', () => {
    const queue = new UploadQueue(3)
    for (let piece = 0; piece < 3; piece++) assert.equal(queue.add(request(1, piece)), 'queued')
    const busyMs = queue.add(request(1, 3))
    assert.ok(typeof busyMs === 'number' && busyMs > 0 && busyMs <= 60_000)
    assert.equal(queue.add(request(2, 0)), 'queued')
  })

  test('is busy for everybody when it is full, for longer the fuller it is', () => {
    const queue = new UploadQueue(16)
    let link = 0
    while (queue.add(request(++link, 0)) === 'queued') assert.ok(link < 10_000)
    const full = queue.add(request(++link, 0))
    const narrow = new UploadQueue(1)
    narrow.add(request(1, 0))
    const nearlyEmpty = narrow.add(request(1, 1))
    assert.ok(typeof full === 'number' && typeof nearlyEmpty === 'number')
    assert.ok(full > nearlyEmpty && full <= 60_000)
  })

  test('a request that is cancelled makes room, waiting or in service', () => {
    const queue = new UploadQueue(1)
    const first = request(1, 0)
    queue.add(first)
    assert.notEqual(queue.add(request(1, 1)), 'queued')
    queue.remove(first.id)
    assert.equal(queue.waitingCount, 0)
    assert.equal(queue.add(request(1, 1)), 'queued')
    assert.equal(queue.next(equalRank)?.piece, 1)
    assert.equal(queue.add(request(1, 2)), 'queued', 'what is being served does not wait')
  })
})
