import assert from 'node:assert/strict'
import { describe, test } from 'vitest'
import { LiveLines, renderProgress, type LayerProgress } from '../../src/cli/progress-bar.ts'

const mib = 1024 * 1024
const wide = { columns: 100, rows: 24 }

function layer(name: string, bytes: Partial<LayerProgress['bytes']>, complete = false): LayerProgress {
  return {
    digest: `sha256:${name.repeat(64)}`,
    bytes: { total: 64 * mib, origin: 0, peers: 0, stored: 0, ...bytes },
    complete,
  }
}

describe('renderProgress', () => {
  test('draws how much is here and which share peers gave', () => {
    assert.deepEqual(renderProgress([layer('a', { origin: 8 * mib, peers: 24 * mib })], wide), [
      'aaaaaaaaaaaa  [####################--------------------]  50 %   32.0 MiB of 64.0 MiB  peers 75 %',
    ])
  })

  test('names no share while nothing has moved', () => {
    assert.deepEqual(renderProgress([layer('a', {}), layer('b', { stored: 64 * mib }, true)], wide), [
      `aaaaaaaaaaaa  [${'-'.repeat(40)}]   0 %        0 B of 64.0 MiB`,
      `bbbbbbbbbbbb  [${'#'.repeat(40)}] 100 %   64.0 MiB of 64.0 MiB`,
    ])
  })

  test('never shows more than all of it', () => {
    const [line = ''] = renderProgress([layer('a', { origin: 60 * mib, peers: 60 * mib })], wide)
    assert.match(line, / 100 % {3}64\.0 MiB of 64\.0 MiB/)
  })

  test('shows an empty layer as complete', () => {
    const [line = ''] = renderProgress([layer('a', { total: 0 })], wide)
    assert.match(line, / 100 % +0 B of 0 B/)
  })

  test('leaves the bar out where there is no room for one', () => {
    assert.deepEqual(renderProgress([layer('a', { peers: 32 * mib })], { columns: 60, rows: 24 }), [
      'aaaaaaaaaaaa  50 %   32.0 MiB of 64.0 MiB  peers 100 %',
    ])
  })

  test('stays inside the terminal', () => {
    const layers = Array.from({ length: 30 }, (_, index) => layer('a', { peers: index * mib }, index % 2 === 0))
    for (const columns of [1, 10, 40, 80, 300]) {
      for (const rows of [1, 2, 10, 24, 40]) {
        const lines = renderProgress(layers, { columns, rows })
        assert.ok(lines.length <= Math.max(rows - 1, 1), `${lines.length} lines in ${rows} rows`)
        assert.ok(lines.every((line) => line.length < columns))
      }
    }
  })

  test('folds complete layers into one line where rows are short', () => {
    const layers = [layer('a', {}, true), layer('b', {}), layer('c', {}), layer('d', {}, true)]
    const lines = renderProgress(layers, { columns: 100, rows: 4 })
    assert.equal(lines[0], '2 of 4 layers complete')
    assert.deepEqual(lines.slice(1).map((line) => line.slice(0, 12)), ['b'.repeat(12), 'c'.repeat(12)])
  })
})

describe('LiveLines', () => {
  /** What a terminal shows after all that was written. */
  function screen(writes: readonly string[]): string[] {
    const [first = '', ...moves] = writes.join('').split('\u001B[')
    const lines = first.split('\n')
    for (const move of moves) {
      const [, count, code, text = ''] = /^(\d+)([AJ])([^]*)$/.exec(move) ?? []
      if (code === 'A') lines.splice(lines.length - 1 - Number(count), Infinity, '')
      const [continued = '', ...more] = text.split('\n')
      lines.push((lines.pop() ?? '') + continued, ...more)
    }
    return lines
  }

  test('draws over the lines of before', () => {
    const writes: string[] = []
    const live = new LiveLines((text) => writes.push(text))
    live.draw(['a 1', 'b 1'])
    live.draw(['a 2', 'b 2'])
    live.draw(['a 3'])
    assert.deepEqual(screen(writes), ['a 3', ''])
  })

  test('keeps what is said in between above the lines', () => {
    const writes: string[] = []
    const live = new LiveLines((text) => writes.push(text))
    live.above('before\n')
    live.draw(['bar 1'])
    live.above('warning\n')
    live.draw(['bar 2'])
    assert.deepEqual(screen(writes), ['before', 'warning', 'bar 2', ''])
  })

  test('leaves released lines alone', () => {
    const writes: string[] = []
    const live = new LiveLines((text) => writes.push(text))
    live.draw(['bar'])
    live.release()
    live.above('done\n')
    assert.deepEqual(screen(writes), ['bar', 'done', ''])
  })
})
