import assert from 'node:assert/strict'
import { describe, it } from 'vitest'
import { readCommand, usage } from './command.ts'
import { matrixNames, matrixRows } from './matrix.ts'
import { UsageError } from './quantities.ts'
import { optionNames } from './sim-options.ts'

function optionsOf(line: string): ReturnType<typeof readCommand>['options'] {
  return readCommand(line.split(' ')).options
}

describe('the command line of the simulator', () => {
  it('reads sizes, rates and times with their units', () => {
    const options = optionsOf('--nodes 10000 --size 512MiB --origin 10Gbit --link 1Gbit/s --start-within 1s --store-ms 0.5')
    assert.equal(options.nodes, 10_000)
    assert.equal(options.size, 536_870_912)
    assert.equal(options.origin, 1_250_000)
    assert.equal(options.link, 125_000)
    assert.equal(options.startWithin, 1000)
    assert.equal(options.storeMs, 0.5)
  })

  it('reads who is slow, who dies and what is cut off', () => {
    const options = optionsOf('--slow 0.1:0.2 --kill fetcher@1000ms,tracker@2s --partition 0.5@1000ms-4000ms')
    assert.deepEqual(options.slow, { fraction: 0.1, rate: 0.2 })
    assert.deepEqual(options.kill, [{ who: 'fetcher', atMs: 1000 }, { who: 'tracker', atMs: 2000 }])
    assert.deepEqual(options.partition, { fraction: 0.5, fromMs: 1000, toMs: 4000 })
  })

  it('says what is wrong, and how it would be right', () => {
    const mistakes: readonly (readonly [string, RegExp])[] = [
      ['--size 512', /--size is 512; .*MiB.*like 512MiB/],
      ['--size 1.5B', /no whole number of bytes/],
      ['--origin 10G', /--origin is 10G; .*Gbit.*like 10Gbit/],
      ['--origin 0Gbit', /more than nothing/],
      ['--start-within 1', /--start-within is 1; .*ms, s, min.*like 1s/],
      ['--nodes many', /--nodes is many; it must be a whole number from 1 on/],
      ['--readers some', /--readers is some; it must be one of none, all, quarter/],
      ['--slow 0.1', /like 0\.1:0\.1/],
      ['--slow 2:0.1', /from 0 to 1/],
      ['--kill fetcher', /like fetcher@1000ms/],
      ['--kill origin@1s', /one of fetcher, tracker/],
      ['--partition 0.5@4s-1s', /ends before it begins/],
      ['--nodes 2 --regions 3', /more than --nodes/],
      ['--slow-first', /needs --slow/],
      ['--fast', /--fast/],
    ]
    for (const [line, message] of mistakes) {
      assert.throws(() => readCommand(line.split(' ')), (error) => error instanceof UsageError && message.test(error.message), line)
    }
    assert.throws(() => matrixRows('vast', true), /one of scale, small/)
  })

  it('lists every option', () => {
    for (const option of optionNames.keys()) assert.match(usage(), new RegExp(`--${option}\\b`))
  })

  it('has shorter runs of each matrix', () => {
    for (const name of matrixNames) {
      const nodes = (short: boolean): number => Math.max(...matrixRows(name, short).map(({ options }) => options.nodes ?? 0))
      assert.ok(nodes(true) < nodes(false), name)
    }
  })
})
