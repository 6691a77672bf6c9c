import assert from 'node:assert/strict'
import { describe, test } from 'vitest'
import { Output } from '../../src/cli/output.ts'
import { reportProgress } from '../../src/cli/progress.ts'
import type { TransferProgress } from '../../src/index.ts'

const digest = `sha256:${'a'.repeat(64)}` as const
const config = `sha256:${'c'.repeat(64)}` as const

function bytes(peers: number) {
  return { total: 1000, origin: 0, peers, stored: 0 }
}

/** A transfer of one layer beside a config, with the time at which each thing happens, in milliseconds. */
const transfer: [atMs: number, progress: TransferProgress][] = [
  [0, { type: 'image:resolved', digest, layers: [{ digest, size: 1000, mediaType: 'layer' }] }],
  [10, { type: 'blob:started', digest: config, bytes: bytes(0) }],
  [10, { type: 'blob:started', digest, bytes: bytes(0) }],
  [20, { type: 'blob:progress', digest, bytes: bytes(100) }],
  [60, { type: 'blob:progress', digest, bytes: bytes(200) }],
  [150, { type: 'blob:progress', digest, bytes: bytes(300) }],
  [160, { type: 'blob:completed', digest, stats: { bytes: bytes(1000), peers: [], ms: 150 } }],
]

function report({ json = false, isTTY = false }): { stdout: string; stderr: string } {
  const written = { stdout: '', stderr: '' }
  let nowMs = 0
  const output = new Output({
    json,
    verbose: false,
    stdout: { write: (text) => (written.stdout += text) },
    stderr: { isTTY, columns: 100, rows: 24, write: (text) => (written.stderr += text) },
  })
  const onProgress = reportProgress(output, () => nowMs)
  for (const [atMs, progress] of transfer) {
    nowMs = atMs
    onProgress(progress)
  }
  return written
}

describe('reportProgress', () => {
  test('prints JSON lines at most ten times a second, and always the last one', () => {
    const { stdout, stderr } = report({ json: true, isTTY: true })
    const events: unknown[] = stdout.trimEnd().split('\n').map((line) => JSON.parse(line))
    assert.deepEqual(events, [100, 300, 1000].map((peers) => ({ event: 'progress', digest, bytes: bytes(peers) })))
    assert.equal(stderr, '')
  })

  test('without a terminal, prints a line when a layer starts and one when it is complete', () => {
    const { stdout, stderr } = report({})
    assert.deepEqual(stderr.trimEnd().split('\n'), [
      `${digest} started: 1000 B`,
      `${digest} complete: 1000 B in 0.1 s: 0 B from the origin, 1000 B from 0 peers, 0 B already here`,
    ])
    assert.equal(stdout, '')
  })

  test('on a terminal, draws a bar for each layer and none for the config', () => {
    const { stdout, stderr } = report({ isTTY: true })
    const shown = stderr.split('\u001B[0J').at(-1)
    assert.equal(shown, `aaaaaaaaaaaa  [${'#'.repeat(40)}] 100 %     1000 B of 1000 B  peers 100 %\n`)
    assert.ok(!stderr.includes('c'.repeat(12)))
    assert.equal(stdout, '')
  })
})
