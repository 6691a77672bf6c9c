import assert from 'node:assert/strict'
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, test } from 'vitest'
import type { Logger } from '../../src/core/log.ts'
import { silentLogger } from '../../src/core/log.ts'
import { BanFile } from '../../src/net/ban-file.ts'
import { fakeClock } from '../../src/testing/fake-clock.ts'
import { BanList } from '../../src/trust/ban-list.ts'
import { fuzzRuns } from '../support/fuzz.ts'

const peer = '12D3KooWQYhTNQdmr3ArTeUHRYzFg94BKyTkoWBDWez9kSCVe2Xo'
const hourMs = 3_600_000

let folder = ''
let path = ''
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bans-'))
  path = join(folder, 'store', 'bans.json')
})
afterEach(() => rm(folder, { recursive: true }))

async function openList(clock = fakeClock(), logger: Logger = silentLogger): Promise<{ list: BanList; file: BanFile }> {
  const list = new BanList()
  return { list, file: await BanFile.open({ path, list, clock, logger }) }
}

async function banOne(clock = fakeClock()): Promise<void> {
  const { list, file } = await openList(clock)
  list.convict(peer, 'claim', undefined, clock.monotonicMs())
  file.changed()
  await file.close()
}

function warnings(): { logger: Logger; said: string[] } {
  const said: string[] = []
  return { said, logger: { ...silentLogger, warn: (message) => void said.push(message) } }
}

describe('the file of bans', () => {
  test('bans after a restart for what is left of the time, and only its owner reads it', async () => {
    const clock = fakeClock()
    await banOne(clock)
    assert.equal((await stat(path)).mode & 0o777, 0o600)
    assert.deepEqual(await readdir(join(folder, 'store')), ['bans.json'])
    clock.advance(hourMs / 2)
    const { list } = await openList(clock)
    assert.equal(list.untilMs(peer, clock.monotonicMs()) - clock.monotonicMs(), hourMs / 2)
  })

  test('is not there while nobody is banned, and holds nobody whose ban was taken back', async () => {
    const clock = fakeClock()
    const { list, file } = await openList(clock)
    await file.close()
    await assert.rejects(stat(path), { code: 'ENOENT' })
    const verdict = list.convict(peer, 'claim', undefined, 0)
    file.changed()
    verdict.reverse(0)
    await file.close()
    assert.deepEqual(JSON.parse(await readFile(path, 'utf8')).bans, [])
  })

  test('is written a second after a change, once for many', async () => {
    const clock = fakeClock()
    const { list, file } = await openList(clock)
    list.convict(peer, 'claim', undefined, 0)
    file.changed()
    file.changed()
    clock.advance(1000)
    await file.close()
    assert.equal(JSON.parse(await readFile(path, 'utf8')).bans[0].peerId, peer)
  })

  test('is set aside with a warning when it is damaged', async () => {
    await banOne()
    const good = await readFile(path, 'utf8')
    const other = (change: object): string => JSON.stringify({ ...JSON.parse(good), ...change })
    const ban = JSON.parse(good).bans[0]
    for (const text of [
      '',
      good.slice(0, -9),
      '[]',
      'null',
      other({ version: 2 }),
      other({ savedAtMs: '0' }),
      other({ bans: [{ ...ban, peerId: '../../etc' }] }),
      other({ bans: [{ ...ban, leftMs: 1e12 }] }),
      other({ bans: [{ ...ban, level: 1.5 }] }),
      other({ bans: [{ ...ban, reason: 'hearsay' }] }),
      other({ bans: Array.from({ length: 4097 }, () => ban) }),
      ' '.repeat(4 * 1024 * 1024 + 1),
    ]) {
      await writeFile(path, text)
      const { logger, said } = warnings()
      const { list } = await openList(fakeClock(), logger)
      assert.deepEqual([list.size, said.length], [0, 1], text.slice(0, 80))
      assert.deepEqual(await readdir(join(folder, 'store')), ['bans.json.damaged'])
    }
  })

  test('stops nobody, whatever it holds', async () => {
    await banOne()
    await fc.assert(
      fc.asyncProperty(fc.oneof(fc.string(), fc.json()), async (text) => {
        await writeFile(path, text)
        assert.equal((await openList()).list.size, 0)
      }),
      fuzzRuns(100),
    )
  })

  test('stops nobody when it cannot be read or written', async () => {
    await writeFile(join(folder, 'store'), 'a file where a folder is to be')
    const { logger, said } = warnings()
    const { list, file } = await openList(fakeClock(), logger)
    list.convict(peer, 'claim', undefined, 0)
    file.changed()
    await file.close()
    assert.equal(said.length, 2)
  })
})
