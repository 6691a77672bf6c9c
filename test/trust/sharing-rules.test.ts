import assert from 'node:assert/strict'
import fc from 'fast-check'
import { describe, test } from 'vitest'
import { matchesPattern, parsePattern } from '../../src/trust/repository-pattern.ts'
import {
  compileRule,
  isPublic,
  maxRepositories,
  mayRead,
  type CompiledRule,
  type HeldGrant,
  type Reader,
  type RepositoryVerdict,
  type SharedBlob,
  type SharingAccess,
} from '../../src/trust/sharing-rules.ts'

const stranger: Reader = { member: false, grants: [], nowMs: 0 }
const member: Reader = { ...stranger, member: true }

function rulesOf(...rules: [match: string, access: SharingAccess][]): CompiledRule[] {
  return rules.flatMap(([match, access]) => compileRule(match, access) ?? assert.fail(match))
}

function grantOf(issuer: string, match: string, fromMs = 0, toMs = 1000): HeldGrant {
  return { issuer, pattern: parsePattern(match) ?? assert.fail(match), notBeforeMs: fromMs, expiresMs: toMs }
}

function verdicts(of: Record<string, RepositoryVerdict> = {}): (name: string) => RepositoryVerdict | undefined {
  return (name) => of[name]
}

const publicBlob = (...repositories: string[]): SharedBlob => ({ private: false, repositories })
const privateBlob = (...repositories: string[]): SharedBlob => ({ private: true, repositories })

describe('patterns', () => {
  test.each([
    ['r/a', 'r/a', true],
    ['r/a', 'r/a/b', false],
    ['r/a', 'r/ab', false],
    ['r/*', 'r/a', true],
    ['r/*', 'r/a/b', false],
    ['r/*/c', 'r/b/c', true],
    ['r/**', 'r', true],
    ['r/**', 'r/a/b/c', true],
    ['r/**', 'rr/a', false],
    ['*/a', 'localhost:5000/a', true],
    ['**', 'r/a', true],
    ['**', '', true],
    ['*/**', '', false],
    ['r/**', '', false],
  ])('%s and %s: %s', (pattern, repository, expected) => {
    const parsed = parsePattern(pattern)
    assert.ok(parsed)
    assert.equal(matchesPattern(parsed, repository), expected)
  })

  test.each(['', '/', 'r', '*', 'r/', '/a', 'r//a', 'r/**/a', 'r/a*', 'r/ a', `r/${'a'.repeat(254)}`, `${'a/'.repeat(65)}**`])(
    '%j is none',
    (pattern) => assert.equal(parsePattern(pattern), undefined),
  )
})

describe('provenance', () => {
  test.each<[string, boolean, SharedBlob, Record<string, RepositoryVerdict>]>([
    ['came without credentials from where nobody knows', true, publicBlob(), {}],
    ['came without credentials, no verdict', true, publicBlob('r/a'), {}],
    ['came without credentials, and the registry took that back', false, publicBlob('r/a'), { 'r/a': 'private' }],
    ['came without credentials, and the registry refuses us', false, publicBlob('r/a'), { 'r/a': 'denied' }],
    ['came without credentials from two, one took it back', true, publicBlob('r/a', 'r/b'), { 'r/a': 'denied' }],
    ['came with credentials', false, privateBlob('r/a'), {}],
    ['came with credentials from where a mirror gave something else without', false, privateBlob('r/a'), { 'r/a': 'open' }],
    ['came without credentials, and others did too', true, publicBlob('r/a'), { 'r/a': 'open' }],
    ['came with credentials, nobody remembers from where', false, privateBlob(), {}],
    ['came with credentials from what turned out to be public', true, privateBlob('r/a'), { 'r/a': 'public' }],
    ['is claimed by a public repository', false, privateBlob('r/a', 'r/b'), { 'r/b': 'public' }],
    ['first came without a name, and is claimed by a public repository', false, privateBlob('', 'r/b'), { 'r/b': 'public' }],
  ])('%s: public is %s', (_, expected, blob, known) => {
    assert.equal(isPublic(blob, verdicts(known)), expected)
  })
})

describe('rules', () => {
  test('without one, public blobs are for all, private ones for members', () => {
    const reads = [publicBlob('r/a'), privateBlob('r/a')].flatMap((blob) =>
      [stranger, member].map((reader) => mayRead([], verdicts(), blob, reader)),
    )
    assert.deepEqual(reads, [true, true, false, true])
  })

  test('the first that matches decides', () => {
    const rules = rulesOf(['r/a/secret', 'never'], ['r/a/**', 'public'], ['r/**', 'network'])
    const reads = ['r/a/secret', 'r/a/b', 'r/c'].map((name) => mayRead(rules, verdicts(), privateBlob(name), stranger))
    assert.deepEqual(reads, [false, true, false])
    assert.equal(mayRead(rules, verdicts(), privateBlob('r/c'), member), true)
  })

  test('a layer does not leave a private repository by the name of a public one', () => {
    const rules = rulesOf(['r/open/**', 'public'])
    assert.equal(mayRead(rules, verdicts({ 'r/open/x': 'public' }), privateBlob('r/a', 'r/open/x'), stranger), false)
    assert.equal(mayRead(rules, verdicts(), privateBlob('r/open/x'), stranger), true)
    assert.equal(mayRead(rulesOf(['r/a', 'never']), verdicts(), publicBlob('r/a', 'r/open/x'), stranger), true)
  })

  test('whoever the registry refuses does not share, whatever the rules say', () => {
    const rules = rulesOf(['**', 'public'])
    assert.equal(mayRead(rules, verdicts({ 'r/a': 'denied' }), privateBlob('r/a'), member), false)
  })

  test('only ** is for blobs without a repository', () => {
    assert.equal(mayRead(rulesOf(['*/**', 'never']), verdicts(), publicBlob(), stranger), true)
    assert.equal(mayRead(rulesOf(['**', 'never']), verdicts(), publicBlob(), stranger), false)
  })

  test('a private blob with a full list of repositories is for nobody where there are rules', () => {
    const names = Array.from({ length: maxRepositories }, (_, index) => `r/${index}`)
    assert.equal(mayRead([], verdicts(), privateBlob(...names), member), true)
    assert.equal(mayRead(rulesOf(['q/**', 'never']), verdicts(), privateBlob(...names), member), false)
  })

  test('a grant counts from a minute before it begins to a minute after it ends, for the issuers and repositories of its rule', () => {
    const rules = rulesOf(['r/a/**', { grant: { issuers: ['one', 'two'] } }])
    const reads = (grant: HeldGrant, nowMs: number, name = 'r/a/x'): boolean =>
      mayRead(rules, verdicts(), privateBlob(name), { member: true, grants: [grant], nowMs })
    const grant = grantOf('two', 'r/a/*', 100_000, 200_000)
    assert.deepEqual([39_999, 40_000, 260_000, 260_001].map((nowMs) => reads(grant, nowMs)), [false, true, true, false])
    assert.equal(reads(grantOf('three', 'r/a/*'), 0), false)
    assert.equal(reads(grantOf('one', 'r/b/*'), 0), false)
    assert.equal(reads(grantOf('one', 'r/a/*'), 0, 'r/a/x/y'), false)
    assert.equal(mayRead(rules, verdicts(), privateBlob('r/a/x'), member), false)
  })
})

const parts = ['r', 'q', 'a', 'b', 'c']
const name = fc.array(fc.constantFrom(...parts), { minLength: 2, maxLength: 4 }).map((list) => list.join('/'))
const pattern = fc
  .tuple(fc.array(fc.constantFrom(...parts, '*'), { minLength: 0, maxLength: 3 }), fc.boolean())
  .map(([list, open]) => [...list, ...(open || list.length < 2 ? ['**'] : [])].join('/'))
const issuer = fc.constantFrom('one', 'two', 'three')
const access: fc.Arbitrary<SharingAccess> = fc.oneof(
  fc.constantFrom<SharingAccess>('public', 'network', 'never'),
  fc.array(issuer, { maxLength: 2 }).map((issuers) => ({ grant: { issuers } })),
)
const verdict = fc.constantFrom<(RepositoryVerdict | undefined)[]>('public', 'open', 'private', 'denied', undefined, undefined)
const time = fc.integer({ min: 0, max: 400_000 })
const request = fc.record({
  rules: fc.array(fc.tuple(pattern, access), { maxLength: 5 }),
  isPrivate: fc.boolean(),
  ways: fc.uniqueArray(fc.record({ name: fc.oneof({ arbitrary: name, weight: 5 }, fc.constant('')), verdict }), {
    selector: (way) => way.name,
    maxLength: 4,
  }),
  member: fc.boolean(),
  grants: fc.array(fc.record({ issuer, pattern, from: time, to: time }), { maxLength: 3 }),
  nowMs: time,
})

type Request = typeof request extends fc.Arbitrary<infer Value> ? Value : never

/** What the specification says, in the order in which it says it. */
function reference({ rules, isPrivate, ways, member: isMember, grants, nowMs }: Request): boolean {
  const fits = (text: string, repository: string): boolean => {
    if (text === '**' || repository === '') return text === '**'
    const body = text.split('/').map((part) => (part === '*' ? '[^/]+' : part === '**' ? '.*' : part)).join('/')
    return new RegExp(`^${body.replace(/\/\.\*$/, '(/.*)?')}$`).test(repository)
  }
  const isNamed = ways.length > 0 && !ways.some((way) => way.name === '')
  const open = isPrivate
    ? isNamed && ways.every((way) => way.verdict === 'public')
    : ways.length === 0 || ways.some((way) => way.name === '' || (way.verdict !== 'private' && way.verdict !== 'denied'))
  const seen = ways.filter((way) => way.name !== '')
  const admitted = (seen.length > 0 ? seen : [{ name: '', verdict: undefined }]).map((way) => {
    if (way.verdict === 'denied') return false
    const [, decides = open ? 'public' : 'network'] = rules.find(([text]) => fits(text, way.name)) ?? []
    if (typeof decides === 'string') return decides === 'public' || (decides === 'network' && isMember)
    return grants.some((grant) => decides.grant.issuers.includes(grant.issuer) && fits(grant.pattern, way.name)
      && nowMs >= grant.from - 60_000 && nowMs <= grant.to + 60_000)
  })
  return open ? admitted.includes(true) : !admitted.includes(false)
}

test('agree with the specification on 10,000 drawn rule sets and requests', () => {
  const counts = { true: 0, false: 0 }
  fc.assert(
    fc.property(request, (drawn) => {
      const known = new Map(drawn.ways.filter((way) => way.name !== '').map((way) => [way.name, way.verdict]))
      const grants = drawn.grants.map((grant) => grantOf(grant.issuer, grant.pattern, grant.from, grant.to))
      const blob = { private: drawn.isPrivate, repositories: drawn.ways.map((way) => way.name) }
      const reader = { member: drawn.member, grants, nowMs: drawn.nowMs }
      const decided = mayRead(rulesOf(...drawn.rules), (of) => known.get(of), blob, reader)
      counts[`${decided}`]++
      assert.equal(decided, reference(drawn))
    }),
    { numRuns: 10_000 },
  )
  assert.ok(counts.true > 2000 && counts.false > 2000, JSON.stringify(counts))
})
