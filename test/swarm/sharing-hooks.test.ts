import assert from 'node:assert/strict'
import { describe, test } from 'vitest'
import type { Digest } from '../../src/core/digest.ts'
import { SharingHooks } from '../../src/swarm/sharing-hooks.ts'
import type { Authorize, BeforeSeed } from '../../src/swarm/sharing-options.ts'
import { SessionTable } from '../../src/swarm/session-table.ts'
import { emptyCopy } from '../../src/swarm/swarm-context.ts'
import { seededContent } from '../../src/testing/seeded-content.ts'
import { scriptedNode, type ScriptedNode } from '../support/scripted-link.ts'

const content = seededContent(1, 1000)
const { digest } = content
const blob = { digest, repositories: ['', 'r/a'] }
const image = { digest, blobs: [{ digest, size: 1000, mediaType: 'x/y' }] }

function hooksOf(node: ScriptedNode, hooks: { authorize?: Authorize; beforeSeed?: BeforeSeed }): { hooks: SharingHooks; answered: Digest[] } {
  const answered: Digest[] = []
  const { clock, logger } = node.context
  const { authorize, beforeSeed } = hooks
  const init = { authorize, beforeSeed, clock, logger, onAnswer: (digests: readonly Digest[]) => void answered.push(...digests) }
  return { hooks: new SharingHooks(init), answered }
}

describe('authorize', () => {
  test('is asked once for each link and blob, with the names that the blob has', async () => {
    await using node = await scriptedNode()
    const asked: unknown[] = []
    const { hooks } = hooksOf(node, { authorize: (request) => asked.push(request) === 1 })
    const [first, second] = [node.link(1).entry, node.link(2).entry]
    const answers = [first, first, second, second].map((entry) => hooks.isAuthorized(entry, blob))
    assert.deepEqual(answers, [true, true, false, false])
    assert.deepEqual(asked, ['peer 1', 'peer 2'].map((peerId) => ({ peerId, digest, repositories: ['r/a'] })))
  })

  test.each<[string, Authorize]>([
    ['throws', () => { throw new TypeError('no') }],
    ['rejects', () => Promise.reject(new TypeError('no'))],
    ['answers something else than yes', async () => 'yes' as never],
  ])('that %s denies', async (_, authorize) => {
    await using node = await scriptedNode()
    const { hooks } = hooksOf(node, { authorize })
    const { entry } = node.link(1)
    assert.equal(hooks.isAuthorized(entry, blob), false)
    assert.equal((await hooks.pending(entry, blob)) ?? false, false)
    assert.equal(hooks.isAuthorized(entry, blob), false)
  })

  test('that has not answered after a second denies, and is told to stop', async () => {
    await using node = await scriptedNode()
    let aborted = false
    const late = Promise.withResolvers<boolean>()
    const authorize: Authorize = (_, { signal }) => {
      signal.addEventListener('abort', () => (aborted = true))
      return late.promise
    }
    const { hooks, answered } = hooksOf(node, { authorize })
    const { entry } = node.link(1)
    assert.equal(hooks.isAuthorized(entry, blob), false)
    await node.clock.advanceAsync(999)
    assert.deepEqual([aborted, answered], [false, []])
    await node.clock.advanceAsync(1)
    assert.deepEqual([aborted, answered], [true, [digest]])
    late.resolve(true)
    await node.clock.advanceAsync(0)
    assert.equal(hooks.isAuthorized(entry, blob), false)
  })

  test('that takes its time: the peer hears what all hear who are denied, then the truth', async () => {
    const answer = Promise.withResolvers<boolean>()
    await using node = await scriptedNode({ authorize: () => answer.promise })
    const bytes = (async function* () { yield content.read({ offset: 0, length: 1000 }) })()
    await node.store.import({ digest, size: 1000, mediaType: 'x/y' }, bytes)
    const table = new SessionTable(node.context)
    node.context.sharing.onChange = (digests) => table.reconsider(digests)
    const { entry, link } = node.link(1)
    table.receive(entry, { ...emptyCopy(digest, 1000), wants: true })
    await node.clock.advanceAsync(0)
    assert.deepEqual(link.sent, [emptyCopy(digest, 1000)])
    answer.resolve(true)
    await node.clock.advanceAsync(0)
    await node.clock.advanceAsync(0)
    assert.deepEqual(link.sent.slice(1), [{ ...emptyCopy(digest, 1000), complete: true }])
    await table.close()
  })
})

describe('beforeSeed', () => {
  test.each<[string, BeforeSeed]>([
    ['says no', () => false],
    ['throws', () => { throw new TypeError('no') }],
    ['rejects', () => Promise.reject(new TypeError('no'))],
  ])('that %s keeps the image here', async (_, beforeSeed) => {
    await using node = await scriptedNode()
    const { hooks } = hooksOf(node, { beforeSeed })
    assert.equal(hooks.mayOffer(digest), undefined)
    assert.equal(await hooks.judge(image), false)
    assert.equal(hooks.mayOffer(digest), false)
  })

  test('has a minute', async () => {
    await using node = await scriptedNode()
    const { hooks } = hooksOf(node, { beforeSeed: () => Promise.withResolvers<boolean>().promise })
    const judged = hooks.judge(image)
    await node.clock.advanceAsync(59_999)
    assert.equal(hooks.mayOffer(digest), undefined)
    await node.clock.advanceAsync(1)
    assert.equal(await judged, false)
  })

  test('lets a blob go that one of its images let go, whatever the others say', async () => {
    await using node = await scriptedNode()
    const verdicts = [true, false]
    const { hooks } = hooksOf(node, { beforeSeed: () => verdicts.shift() ?? false })
    const other = { digest: seededContent(2, 10).digest, size: 10, mediaType: 'x/y' }
    await hooks.judge(image)
    await hooks.judge({ digest: other.digest, blobs: [other, ...image.blobs] })
    assert.deepEqual([hooks.mayOffer(digest), hooks.mayOffer(other.digest)], [true, false])
  })

  test('that is not there lets everything go', async () => {
    await using node = await scriptedNode()
    const { hooks } = hooksOf(node, {})
    assert.equal(hooks.mayOffer(digest), true)
    assert.equal(hooks.isAuthorized(node.link(1).entry, blob), true)
  })
})
