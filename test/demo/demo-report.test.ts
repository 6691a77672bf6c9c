import assert from 'node:assert/strict'
import { describe, test } from 'vitest'
import { addUp, printReport, type NodeReport } from './demo-report.ts'

const mib = 1024 * 1024

const reports: NodeReport[] = [
  {
    name: '1',
    stats: {
      bytes: { total: 4 * mib, origin: 3 * mib, peers: mib, stored: 0 },
      peers: [{ peerId: 'b', bytes: mib, foundBy: ['dht'], bytesWhileIncomplete: mib }],
      ms: 1500,
    },
    mostGivers: 1,
  },
  {
    name: 'late',
    stats: {
      bytes: { total: 4 * mib, origin: 0, peers: 4 * mib, stored: 0 },
      peers: [
        { peerId: 'a', bytes: 3 * mib, foundBy: ['peers'], bytesWhileIncomplete: mib },
        { peerId: 'b', bytes: mib, foundBy: ['tracker'], bytesWhileIncomplete: 0 },
      ],
      ms: 12_040,
    },
    mostGivers: 2,
  },
]

describe('addUp', () => {
  test('compares with as many direct pulls as there are nodes', () => {
    assert.deepEqual(addUp(reports, 4 * mib, 3 * mib), {
      nodes: 2,
      imageBytes: 4 * mib,
      originBytes: 3 * mib,
      directBytes: 8 * mib,
      savedShare: 0.625,
      peerBytes: 5 * mib,
      incompleteShare: 0.4,
      mostGivers: 2,
      slowestMs: 12_040,
    })
  })

  test('is zero, not a failure, where no peer gave anything', () => {
    assert.equal(addUp([], 4 * mib, 0).incompleteShare, 0)
  })
})

describe('printReport', () => {
  test('lines up the columns and ends with what the origin was spared', () => {
    const text = printReport(reports, addUp(reports, 4 * mib, 3 * mib))
    assert.deepEqual(text.split('\n'), [
      'node   from origin   from peers   givers   seconds',
      '1          3.0 MiB      1.0 MiB        1       1.5',
      'late           0 B      4.0 MiB        2      12.0',
      '',
      'of the bytes between peers, 40.0 % came from nodes that were still fetching the blob',
      'up to 2 peers gave pieces of one blob to one node',
      'origin served 3145728 of 8388608 bytes (62.5 % saved)',
    ])
  })
})
