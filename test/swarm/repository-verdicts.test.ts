import assert from 'node:assert/strict'
import { describe, test } from 'vitest'
import { OriginError } from '../../src/core/errors.ts'
import type { Origin } from '../../src/core/origin.ts'
import { RepositoryVerdicts } from '../../src/swarm/repository-verdicts.ts'
import type { RepositoryVerdict } from '../../src/trust/sharing-rules.ts'
import { scriptedNode, type ScriptedNode } from '../support/scripted-link.ts'

type Asked = Pick<Origin, 'name' | 'isPublic'>
const day = 86_400_000
const name = 'r/a'

/** A repository that answers whoever asks as nobody. */
function repository(answer: boolean | undefined): { origin: Asked; probes: () => number } {
  let probes = 0
  return {
    origin: {
      name,
      isPublic: async () => {
        probes++
        return answer
      },
    },
    probes: () => probes,
  }
}

async function openVerdicts(node: ScriptedNode): Promise<RepositoryVerdicts> {
  const { store, clock, logger } = node.context
  return RepositoryVerdicts.open({ store, clock, logger })
}

/** Brings a repository to a verdict by what happens to nodes. */
async function reach(node: ScriptedNode, verdicts: RepositoryVerdicts, verdict: RepositoryVerdict | undefined): Promise<void> {
  if (verdict === 'open') verdicts.read(repository(undefined).origin, false)
  if (verdict === 'public') verdicts.read(repository(true).origin, true)
  if (verdict === 'private' || verdict === 'denied') verdicts.read(repository(false).origin, true)
  await node.clock.advanceAsync(0)
  if (verdict === 'denied') verdicts.refused(name)
  assert.equal(verdicts.of(name), verdict)
  // What was found out by asking holds for a day.
  await node.clock.advanceAsync(day)
}

describe('the verdict on a repository', () => {
  const table: [from: RepositoryVerdict | undefined, anonymous: string, gives: string, refuses: string, silent: string, refused: string | undefined][] = [
    [undefined, 'open', 'public', 'private', 'private', undefined],
    ['open', 'open', 'public', 'private', 'open', 'denied'],
    ['public', 'public', 'public', 'private', 'public', 'denied'],
    ['private', 'open', 'public', 'private', 'private', 'denied'],
    ['denied', 'open', 'public', 'private', 'private', 'denied'],
  ]
  test.each(table)('after %s', async (from, ...expected) => {
    const happens: ((verdicts: RepositoryVerdicts) => void)[] = [
      (verdicts) => verdicts.read(repository(undefined).origin, false),
      (verdicts) => verdicts.read(repository(true).origin, true),
      (verdicts) => verdicts.read(repository(false).origin, true),
      (verdicts) => verdicts.read(repository(undefined).origin, true),
      (verdicts) => verdicts.refused(name),
    ]
    for (const [index, happen] of happens.entries()) {
      await using node = await scriptedNode()
      const verdicts = await openVerdicts(node)
      await reach(node, verdicts, from)
      happen(verdicts)
      await node.clock.advanceAsync(0)
      assert.equal(verdicts.of(name), expected[index], `column ${index}`)
      await verdicts.close()
    }
  })

  test('costs one request in a day, however much is read, and is known after a restart', async () => {
    await using node = await scriptedNode()
    const verdicts = await openVerdicts(node)
    const { origin, probes } = repository(false)
    for (let reads = 0; reads < 5; reads++) verdicts.read(origin, true)
    await node.clock.advanceAsync(0)
    verdicts.read(origin, true)
    await verdicts.close()
    const later = await openVerdicts(node)
    assert.equal(later.of(name), 'private')
    later.read(origin, true)
    await node.clock.advanceAsync(day - 1)
    later.read(origin, true)
    assert.equal(probes(), 1)
    await node.clock.advanceAsync(1)
    later.read(origin, true)
    assert.equal(probes(), 2)
    await later.close()
  })

  test('that could not be found out is asked for again', async () => {
    await using node = await scriptedNode()
    const verdicts = await openVerdicts(node)
    const { origin, probes } = repository(undefined)
    for (let reads = 0; reads < 3; reads++) {
      verdicts.read(origin, true)
      await node.clock.advanceAsync(0)
    }
    assert.deepEqual([probes(), verdicts.of(name)], [3, 'private'])
    verdicts.read({ name: 'r/b', isPublic: () => Promise.reject(new OriginError('ERR_ORIGIN_TIMEOUT', 'late')) }, true)
    await verdicts.close()
    assert.equal(verdicts.of('r/b'), undefined)
  })

  test('is told of when it changes, and only then', async () => {
    await using node = await scriptedNode()
    const verdicts = await openVerdicts(node)
    let changes = 0
    verdicts.onChange = () => void changes++
    const { origin } = repository(false)
    verdicts.read(origin, false)
    verdicts.read(origin, false)
    verdicts.refused(name)
    verdicts.refused(name)
    assert.equal(changes, 2)
    await verdicts.close()
  })

  test('is not made on an origin that is no registry', async () => {
    await using node = await scriptedNode()
    const verdicts = await openVerdicts(node)
    verdicts.read({ name: 'https://files.example/a' }, false)
    verdicts.read({ name: 'https://files.example/b' }, true)
    assert.deepEqual(['https://files.example/a', 'https://files.example/b'].map((each) => verdicts.of(each)), [undefined, undefined])
    await verdicts.close()
  })

  test('is forgotten when its note is damaged: what came with credentials is private then', async () => {
    await using node = await scriptedNode()
    const verdicts = await openVerdicts(node)
    verdicts.read(repository(true).origin, true)
    await node.clock.advanceAsync(0)
    await verdicts.close()
    const note = 'damselfly verdicts on repositories'
    const bytes = Buffer.from((await node.store.readNote(note)) ?? assert.fail())
    bytes[bytes.byteLength - 8] = 0x30
    await node.store.writeNote(note, bytes)
    const later = await openVerdicts(node)
    assert.equal(later.of(name), undefined)
    await later.close()
  })
})
