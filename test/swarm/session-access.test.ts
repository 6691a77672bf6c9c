import assert from 'node:assert/strict'
import { describe, test } from 'vitest'
import { issueGrant, newGrantKey, parseGrant } from '../../src/net/grants.ts'
import { SessionTable } from '../../src/swarm/session-table.ts'
import { emptyCopy } from '../../src/swarm/swarm-context.ts'
import { fakeClock } from '../../src/testing/fake-clock.ts'
import { seededContent } from '../../src/testing/seeded-content.ts'
import { decodeGrant, type Grant } from '../../src/trust/grant.ts'
import { compileRule } from '../../src/trust/sharing-rules.ts'
import { scriptedNode, type ScriptedLink, type ScriptedNode } from '../support/scripted-link.ts'

const mib = 1024 * 1024
const content = seededContent(1, 2 * mib)
const { digest } = content
const wants = { ...emptyCopy(digest, 2 * mib), wants: true }
const authority = newGrantKey()

function grantFor(match: string): Grant {
  const peerId = '12D3KooWGC6TvWhfapngX6wvJHMYvKpDMXPb3ZnCZ6dMoaMtimQ5'
  return decodeGrant(parseGrant(issueGrant({ key: authority.key, peerId, match, clock: fakeClock() })) ?? assert.fail()) ?? assert.fail()
}

/** A node that has begun to load a blob: the first of its eight pieces is here. */
async function loading(node: ScriptedNode, repository: string): Promise<SessionTable> {
  const part = await node.store.part(digest, 2 * mib)
  await part.write(0, [content.read({ offset: 0, length: 262_144 })], 'origin')
  await part.markPrivate()
  await part.close()
  const table = new SessionTable(node.context)
  const { session } = await table.want({ digest, sizeBytes: 2 * mib, private: true, repository })
  session.want(undefined)
  await node.clock.advanceAsync(0)
  return table
}

function said(link: ScriptedLink): string[] {
  return link.sent.map((message) => (message.type === 'bitfield' ? `${message.type} ${message.wants} ${message.bits.byteLength}` : message.type))
}

describe('a private blob that is loading in an open network', () => {
  test('is spoken of with nobody', async () => {
    await using node = await scriptedNode()
    const { entry, link } = node.link(1)
    const table = await loading(node, 'r/a')
    assert.deepEqual(link.sent, [])
    table.receive(entry, wants)
    assert.deepEqual(link.sent, [emptyCopy(digest, 2 * mib)])
    await table.close()
  })

  test('is asked of peers by who has a grant, after it was shown; what is here of it they are not told', async () => {
    await using node = await scriptedNode({ grants: [grantFor('r/a/*'), grantFor('r/b/*')] })
    const { entry, link } = node.link(1)
    const table = await loading(node, 'r/a/x')
    assert.deepEqual(said(link), ['grant', 'bitfield true 0'])
    table.receive(entry, wants)
    await node.clock.advanceAsync(0)
    assert.deepEqual(said(link).slice(2), ['bitfield false 0'])
    assert.equal(table.get(digest)?.canServe(entry, 0), false)
    await table.close()
  })

  test('is told to whom a rule lets read it', async () => {
    const rule = compileRule('r/**', 'public') ?? assert.fail()
    await using node = await scriptedNode({ rules: [rule] })
    const { entry, link } = node.link(1)
    const table = await loading(node, 'r/a')
    assert.deepEqual(said(link), ['bitfield true 1'])
    assert.equal(table.get(digest)?.canServe(entry, 0), true)
    await table.close()
  })
})

test('whoever may not read any more is told an empty copy, and is let in again when it may', async () => {
  await using node = await scriptedNode({ rules: [compileRule('r/b', 'never') ?? assert.fail()] })
  const bytes = (async function* () { yield content.read({ offset: 0, length: 2 * mib }) })()
  await node.store.import({ digest, size: 2 * mib, mediaType: 'x/y' }, bytes, { repository: 'r/a' })
  const table = new SessionTable(node.context)
  node.context.sharing.onChange = (digests) => table.reconsider(digests)
  const { entry, link } = node.link(1)
  table.receive(entry, wants)
  for (let turn = 0; turn < 3; turn++) await node.clock.advanceAsync(0)
  assert.deepEqual(link.sent.at(-1), { ...emptyCopy(digest, 2 * mib), complete: true })
  node.context.sharing.read({ name: 'r/a', isPublic: async () => false }, false)
  node.context.sharing.refused('r/a')
  await node.clock.advanceAsync(0)
  assert.deepEqual(link.sent.at(-1), emptyCopy(digest, 2 * mib))
  node.context.sharing.read({ name: 'r/a', isPublic: async () => true }, false)
  table.receive(entry, wants)
  for (let turn = 0; turn < 3; turn++) await node.clock.advanceAsync(0)
  assert.deepEqual(link.sent.at(-1), { ...emptyCopy(digest, 2 * mib), complete: true })
  await table.close()
})
