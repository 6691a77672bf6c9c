import assert from 'node:assert/strict'
import { describe, test } from 'vitest'
import { parseChallenges } from '../../src/oci/auth-challenge.ts'

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
})
