import assert from 'node:assert/strict'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeEach, describe, test, vi } from 'vitest'
import { StoreError } from '../../src/core/errors.ts'
import { fsBackend } from '../../src/store/fs-backend.ts'
import { PieceStore } from '../../src/store/piece-store.ts'
import { fakeClock } from '../../src/testing/fake-clock.ts'
import { plan, type Fault } from './faulty-disk.ts'
import {
  descriptorOf,
  digestsIn,
  fill,
  holds,
  openFsStore,
  someBlob,
  store,
  streamOf,
} from './stores.ts'
import { makeFastDirectory, temporaryDirectory } from './temporary-directory.ts'

vi.mock('node:fs/promises', async (original) => {
  const { faultyDisk } = await import('./faulty-disk.ts')
  return faultyDisk(await original())
})

const downloaded = someBlob(1, 1_100_000)
const imported = someBlob(2, 1_100_000)
const small = someBlob(3, 1000)
const faults: readonly Fault[] = [
  'EIO',
  'ENOSPC',
  'EDQUOT',
  'EROFS',
  'EACCES',
  'EMFILE',
  'short write',
]

function arm(failAt: number, fault: Fault): void {
  Object.assign(plan, { failAt, fault, count: 0, failed: undefined })
}

beforeEach(() => {
  arm(0, 'EIO')
  Object.assign(plan, { canClone: false, openFiles: 0 })
})

/** All that a store does with files, once. */
const scenarios: Readonly<
  Record<string, (target: PieceStore, directory: string) => Promise<void>>
> = {
  async 'a download that is interrupted and resumed'(target) {
    const part = await target.part(downloaded.digest, downloaded.sizeBytes)
    try {
      await fill(part, downloaded, [0, 3])
      await part.markPrivate()
      await fill(part, downloaded, [1])
    } finally {
      await part.close()
    }
    const again = await target.part(downloaded.digest, downloaded.sizeBytes)
    try {
      await fill(again, downloaded)
      await again.commit()
    } finally {
      await again.close()
    }
    assert.ok(await holds(target, downloaded))
  },
  async 'imports, an export and a deletion'(target, directory) {
    await target.import(descriptorOf(imported), streamOf(imported))
    await target.import(descriptorOf(small), streamOf(small))
    await target.export(imported.digest, join(directory, 'copy'))
    await target.importFile(join(directory, 'copy'))
    await target.pin(small.digest)
    assert.ok(await holds(target, small))
    await target.delete(small.digest)
    await target.delete(imported.digest)
  },
}

/** Runs a scenario on a new directory, and lets one operation fail. Returns how many there were. */
async function run(
  scenario: (typeof scenarios)[string],
  failAt: number,
  fault: Fault,
): Promise<number> {
  const directory = await makeFastDirectory()
  const clock = fakeClock(Date.now())
  const attempt = async (): Promise<void> => {
    const target = await PieceStore.open(fsBackend(join(directory, 'store'), { clock }), { clock })
    try {
      await scenario(target, directory)
    } finally {
      await target.close()
    }
  }
  arm(failAt, fault)
  const error = await attempt().then(
    () => undefined,
    (failure: unknown) => failure,
  )
  const { count, failed } = plan
  arm(0, fault)
  const told = `operation ${failAt} (${failed}) with ${fault}: ${String(error)}`
  assert.ok(error === undefined || error instanceof StoreError, told)
  assert.equal(plan.openFiles, 0, told)
  assert.equal(clock.timerCount, 0, told)
  const later = await PieceStore.open(fsBackend(join(directory, 'store')))
  for (const blob of [downloaded, imported, small]) {
    if (await later.stat(blob.digest)) assert.ok(await holds(later, blob), told)
  }
  await later.close()
  await attempt()
  await rm(directory, { recursive: true })
  return count
}

describe('when any one operation on files fails', () => {
  for (const [name, scenario] of Object.entries(scenarios)) {
    test(`${name} ends well or with an error that says so, and can be done again`, async () => {
      const total = await run(scenario, 0, 'EIO')
      for (let failAt = 1; failAt <= total; failAt++) {
        await run(scenario, failAt, faults[failAt % faults.length] ?? 'EIO')
      }
    })
  }
})

describe('a disk', () => {
  /** Lets the next operation of a kind fail. */
  async function failing(
    kind: string,
    fault: Fault,
    work: () => Promise<unknown>,
  ): Promise<unknown> {
    for (let failAt = 1; ; failAt++) {
      arm(failAt, fault)
      const result = await work().catch((error: unknown) => error)
      const { failed } = plan
      arm(0, fault)
      if (failed === kind || failed === undefined) return result
    }
  }

  test('that is full says so, and that it may pass; what is stored stays', async () => {
    const target = await openFsStore(await temporaryDirectory())
    await store(target, small)
    const part = await target.part(downloaded.digest, downloaded.sizeBytes)
    for (const fault of ['ENOSPC', 'EDQUOT'] as const) {
      arm(1, fault)
      await assert.rejects(fill(part, downloaded, [0]), {
        code: 'ERR_STORE_NO_SPACE',
        retryable: true,
      })
    }
    arm(1, 'EROFS')
    await assert.rejects(fill(part, downloaded, [0]), { code: 'ERR_STORE_READ_ONLY' })
    assert.equal(part.stored.count, 0)
    assert.ok(await holds(target, small))
    await fill(part, downloaded)
    await part.commit()
    assert.ok(await holds(target, downloaded))
  })

  test('that takes fewer bytes than it is given gets the rest', async () => {
    const target = await openFsStore(await temporaryDirectory())
    const part = await target.part(downloaded.digest, downloaded.sizeBytes)
    for (let piece = 0; piece < part.layout.pieceCount; piece++) {
      arm(1, 'short write')
      await fill(part, downloaded, [piece])
      assert.equal(plan.failed, 'writev')
    }
    await part.commit()
    assert.ok(await holds(target, downloaded))
  })

  test('that fails to sync is not asked again: the part is given up', async () => {
    const directory = await temporaryDirectory()
    const clock = fakeClock(Date.now())
    const target = await openFsStore(directory, { clock })
    const part = await target.part(downloaded.digest, downloaded.sizeBytes)
    await fill(part, downloaded)
    const failure = await failing('datasync', 'EIO', () => part.commit())
    assert.ok(failure instanceof StoreError && failure.code === 'ERR_STORE_IO')
    await assert.rejects(part.commit(), (error) => error === failure)
    await assert.rejects(part.write(0, [], 'peer'), (error) => error === failure)
    const { count } = plan
    // What was to be journalled is due now.
    await clock.advanceAsync(5000)
    assert.equal(plan.count, count)
    await part.close()
    const again = await target.part(downloaded.digest, downloaded.sizeBytes)
    assert.equal(again.stored.count, 0)
  })

  test('that fails to write leaves the bytes in doubt: the part is given up', async () => {
    const target = await openFsStore(await temporaryDirectory())
    const part = await target.part(downloaded.digest, downloaded.sizeBytes)
    await fill(part, downloaded, [0])
    arm(1, 'EIO')
    await assert.rejects(fill(part, downloaded, [1]), { code: 'ERR_STORE_IO' })
    await assert.rejects(fill(part, downloaded, [2]), { code: 'ERR_STORE_IO' })
    await part.close()
    assert.equal((await target.part(downloaded.digest, downloaded.sizeBytes)).stored.count, 0)
  })

  test('that cannot read one piece leaves the others, and the blob', async () => {
    const target = await openFsStore(await temporaryDirectory())
    await store(target, downloaded)
    const range = { offset: 300_000, length: 10 }
    const failure = await failing('read', 'EIO', () => target.read(downloaded.digest, range))
    assert.ok(failure instanceof StoreError && failure.code === 'ERR_STORE_IO')
    assert.equal(
      Buffer.compare(await target.read(downloaded.digest, range), downloaded.read(range)),
      0,
    )
    assert.deepEqual(await digestsIn(target), [downloaded.digest])
  })

  test('that can share blocks between files is asked to when a file is imported', async () => {
    plan.canClone = true
    const directory = await temporaryDirectory()
    const target = await openFsStore(join(directory, 'store'))
    await store(target, downloaded)
    await target.export(downloaded.digest, join(directory, 'copy'))
    await target.delete(downloaded.digest)
    arm(0, 'EIO')
    const { digest, size } = await target.importFile(join(directory, 'copy'))
    assert.deepEqual([digest, size], [downloaded.digest, downloaded.sizeBytes])
    assert.ok(await holds(target, downloaded))
    await target.importFile(join(directory, 'copy'))
    await target.close()
    assert.equal(plan.openFiles, 0)
  })
})
