import assert from 'node:assert/strict'
import { describe, test } from 'vitest'
import { SharedAttempts } from '../../src/core/shared-attempts.ts'

/** Attempts that a test ends by hand. */
class Attempts {
  readonly begun: { signal: AbortSignal; end: PromiseWithResolvers<string> }[] = []
  readonly begin = (signal: AbortSignal): Promise<string> => {
    const end = Promise.withResolvers<string>()
    this.begun.push({ signal, end })
    signal.addEventListener('abort', () => end.reject(signal.reason))
    return end.promise
  }
}

describe('SharedAttempts', () => {
  test('share an attempt, and its failure; the next one begins anew', async () => {
    const attempts = new Attempts()
    const dials = new SharedAttempts<string>()
    const joined = [
      dials.join('a', attempts.begin, undefined),
      dials.join('a', attempts.begin, undefined),
    ]
    const other = dials.join('b', attempts.begin, undefined)
    assert.equal(attempts.begun.length, 2)
    const failure = new TypeError('no')
    attempts.begun[0]?.end.reject(failure)
    attempts.begun[1]?.end.resolve('b')
    for (const dial of joined) await assert.rejects(dial, failure)
    assert.equal(await other, 'b')
    const again = dials.join('a', attempts.begin, undefined)
    attempts.begun[2]?.end.resolve('a')
    assert.equal(await again, 'a')
    assert.equal(attempts.begun[2]?.signal.aborted, false)
  })

  test('go on while one caller is left', async () => {
    const attempts = new Attempts()
    const dials = new SharedAttempts<string>()
    const [first, second] = [new AbortController(), new AbortController()]
    const one = dials.join('a', attempts.begin, first.signal)
    const two = dials.join('a', attempts.begin, second.signal)
    first.abort()
    await assert.rejects(one, (error) => error === first.signal.reason)
    assert.equal(attempts.begun[0]?.signal.aborted, false)
    second.abort()
    await assert.rejects(two, (error) => error === second.signal.reason)
    assert.equal(attempts.begun[0]?.signal.aborted, true)
    const late = dials.join('a', attempts.begin, undefined)
    attempts.begun[1]?.end.resolve('late')
    assert.equal(await late, 'late')
  })

  test('end together when all are given up', async () => {
    const attempts = new Attempts()
    const dials = new SharedAttempts<string>()
    const reason = new TypeError('closing')
    const rejections = ['a', 'b'].map((key) =>
      assert.rejects(dials.join(key, attempts.begin, undefined), reason),
    )
    await dials.abortAll(reason)
    await Promise.all(rejections)
  })
})
