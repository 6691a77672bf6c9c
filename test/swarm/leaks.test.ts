import assert from 'node:assert/strict'
import { existsSync, readdirSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'vitest'
import { systemClock, type Clock } from '../../src/core/clock.ts'
import { peers } from '../../src/discovery/static-discovery.ts'
import { dht } from '../../src/discovery/dht-discovery.ts'
import { ManifestResolver } from '../../src/oci/manifest-resolver.ts'
import { fsBackend } from '../../src/store/fs-backend.ts'
import { PieceStore } from '../../src/store/piece-store.ts'
import { createSwarm } from '../../src/swarm/create-swarm.ts'
import { embeddedOrigin } from '../../src/testing/embedded-origin.ts'
import { testImage } from '../../src/testing/test-image.ts'

const mib = 1024 * 1024

/** The machine's clock, and how many of its timers are set. */
function countingClock(): Clock & { readonly timerCount: number } {
  let timerCount = 0
  return {
    monotonicMs: () => systemClock.monotonicMs(),
    wallMs: () => systemClock.wallMs(),
    after(delayMs, callback) {
      timerCount++
      let set = true
      const unset = (): void => {
        if (set) timerCount--
        set = false
      }
      const cancel = systemClock.after(delayMs, () => {
        unset()
        callback()
      })
      return () => {
        unset()
        cancel()
      }
    },
    get timerCount() {
      return timerCount
    },
  }
}

/** Open files and sockets of this process, as Linux lists them. */
function openDescriptors(): string[] {
  return existsSync('/proc/self/fd') ? readdirSync('/proc/self/fd') : []
}

async function run(directory: string, clock: Clock): Promise<void> {
  await using origin = await embeddedOrigin()
  const image = testImage({ seed: 1, layerSizes: [6 * mib, 300] })
  image.addTo(origin, 'team/app', 'v1')
  await using stack = new AsyncDisposableStack()
  const start = async (name: string, others: readonly string[]): ReturnType<typeof createSwarm> => {
    const store = stack.use(await PieceStore.open(fsBackend(join(directory, name)), { clock }))
    const registries = { [origin.host]: { insecure: true as const } }
    const resolver = stack.use(new ManifestResolver({ registries, credentials: 'anonymous', clock }))
    const discovery = others.length > 0 ? [dht(), peers(others)] : [dht()]
    return stack.use(await createSwarm({ store, resolver, clock, discovery, listen: ['/ip4/127.0.0.1/tcp/0'] }))
  }
  const first = await start('first', [])
  const second = await start('second', first.addresses)
  const reference = `${origin.host}/team/app:v1`
  await (await first.fetchImage(reference)).close()
  const leave = new AbortController()
  second.addEventListener('piece:stored', () => leave.abort(), { once: true })
  const calls = Array.from({ length: 100 }, async (_, index) => {
    const stored = await second.fetchImage(reference, index % 2 === 0 ? { signal: leave.signal } : {})
    await stored.close()
  })
  const results = await Promise.allSettled(calls)
  assert.equal(results.filter(({ status }) => status === 'fulfilled').length >= 50, true)
  const reader = second.streamLayer(`${origin.host}/team/app@${image.config.digest}`)
  await reader.next()
  await reader.return(undefined)
}

describe('after everything is closed', () => {
  test('no timer, file, socket or rejection is left', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'damselfly-leaks-'))
    const rejections: unknown[] = []
    const onRejection = (reason: unknown): unknown => rejections.push(reason)
    process.on('unhandledRejection', onRejection)
    try {
      // Once before: what Node and the libraries open for the process, and keep, is no leak of ours.
      await run(join(directory, 'warm'), systemClock)
      const before = openDescriptors()
      const clock = countingClock()
      await run(join(directory, 'measured'), clock)
      assert.equal(clock.timerCount, 0)
      assert.ok(openDescriptors().length <= before.length, `${openDescriptors().join()} after ${before.join()}`)
      assert.deepEqual(rejections, [])
    } finally {
      process.off('unhandledRejection', onRejection)
      await rm(directory, { recursive: true, force: true })
    }
  })
})
