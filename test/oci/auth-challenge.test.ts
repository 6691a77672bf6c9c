import assert from 'node:assert/strict'
import fc from 'fast-check'
import { describe, test } from 'vitest'
import { parseChallenges } from '../../src/oci/auth-challenge.ts'
import { fuzz } from './fuzz.ts'

function read(header: string | string[] | undefined): [string, Record<string, string>][] {
  return parseChallenges(header).map(({ scheme, parameters }) => [scheme, Object.fromEntries(parameters)])
}

describe('parseChallenges', () => {
  const table: [header: string | string[] | undefined, challenges: [string, Record<string, string>][]][] = [
    [undefined, []],
    ['', []],
    ['Basic realm="test"', [['basic', { realm: 'test' }]]],
    ['basic', [['basic', {}]]],
    ['BEARER REALM="https://a/token",Service=reg', [['bearer', { realm: 'https://a/token', service: 'reg' }]]],
    [
      'Bearer realm="https://a/token",service="reg",scope="repository:team/app:pull,push"',
      [['bearer', { realm: 'https://a/token', service: 'reg', scope: 'repository:team/app:pull,push' }]],
    ],
    [
      'Basic realm="a, b", Bearer realm="https://a/token"',
      [
        ['basic', { realm: 'a, b' }],
        ['bearer', { realm: 'https://a/token' }],
      ],
    ],
    [
      'Negotiate, Basic realm="x"',
      [
        ['negotiate', {}],
        ['basic', { realm: 'x' }],
      ],
    ],
    [
      'Negotiate YII/=, Basic realm="x"',
      [
        ['negotiate', {}],
        ['basic', { realm: 'x' }],
      ],
    ],
    [
      ['Basic realm="x"', 'Bearer realm="y"'],
      [
        ['basic', { realm: 'x' }],
        ['bearer', { realm: 'y' }],
      ],
    ],
    ['Bearer realm="say \\"hi\\" \\\\"', [['bearer', { realm: 'say "hi" \\' }]]],
    ['Bearer realm = "spaced" ,  service = "out"', [['bearer', { realm: 'spaced', service: 'out' }]]],
    ['Bearer realm=https://a/token?x=1', [['bearer', { realm: 'https://a/token?x=1' }]]],
    ['Bearer realm="first",realm="second"', [['bearer', { realm: 'first' }]]],
    ['Bearer realm="never closed', [['bearer', {}]]],
    [', , Basic realm="x",,', [['basic', { realm: 'x' }]]],
    ['"quoted" Basic', []],
  ]
  for (const [header, challenges] of table) {
    test(`${JSON.stringify(header)} reads as ${JSON.stringify(challenges)}`, () => {
      assert.deepEqual(read(header), challenges)
    })
  }

  test('at most sixteen challenges are read', () => {
    assert.equal(parseChallenges(Array.from({ length: 1000 }, () => 'Basic realm="x"')).length, 16)
  })

  test('what is printed by the rules reads back', () => {
    const token = fc.stringMatching(/^[a-z][a-z0-9-]{0,10}$/)
    const value = fc.string({ unit: 'grapheme-ascii', maxLength: 30 })
    const challenge = fc.tuple(token, fc.dictionary(token, value, { minKeys: 1, maxKeys: 5, noNullPrototype: true }))
    fc.assert(
      fc.property(fc.array(challenge, { minLength: 1, maxLength: 4 }), (challenges) => {
        const quote = (text: string): string => `"${text.replaceAll(/["\\]/g, '\\$&')}"`
        const header = challenges
          .map(([scheme, parameters]) => {
            const pairs = Object.entries(parameters).map(([name, text]) => `${name}=${quote(text)}`)
            return `${scheme} ${pairs.join(', ')}`
          })
          .join(', ')
        assert.deepEqual(read(header), challenges)
      }),
      fuzz,
    )
  })

  test('any text is read in linear time and never throws', () => {
    const hostile = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 200 }),
      fc.stringMatching(/^[ab ",=\\]{0,100}$/),
      fc.constantFrom('"', '\\', ',', ' ', 'a=', 'a ', 'a="').map((unit) => unit.repeat(20_000)),
    )
    fc.assert(
      fc.property(hostile, (text) => {
        const started = performance.now()
        parseChallenges(`Bearer ${text}`)
        assert.ok(performance.now() - started < 500)
      }),
      fuzz,
    )
  })
})
