import assert from 'node:assert/strict'
import fc from 'fast-check'
import { describe, test } from 'vitest'
import { RequestError } from '../../src/core/errors.ts'
import { mergeDockerDaemon, removeDockerMirror } from '../../src/mirror/docker-daemon.ts'

const path = 'daemon.json'
const mirrorUrl = 'http://127.0.0.1:5001'
const key = 'registry-mirrors'

/** What a user may have, printed in one of the ways in which people do. */
const daemon = fc
  .record({
    rest: fc.dictionary(fc.string().filter((name) => name !== key && name !== '__proto__'), fc.jsonValue(), { maxKeys: 4 }),
    mirrors: fc.option(fc.array(fc.webUrl(), { maxLength: 3 }), { nil: undefined }),
    first: fc.boolean(),
    indent: fc.constantFrom('', '  ', '    ', '\t'),
    eol: fc.constantFrom('\n', '\r\n'),
    around: fc.constantFrom('', '\n', ' \n'),
  })
  .map(({ rest, mirrors, first, indent, eol, around }) => {
    const own = mirrors ? { [key]: mirrors } : {}
    const text = JSON.stringify(first ? { ...own, ...rest } : { ...rest, ...own }, undefined, indent)
    return around + text.replaceAll('\n', eol) + around
  })

describe('mergeDockerDaemon', () => {
  const cases: [before: string, after: string][] = [
    ['{}', `{\n  "${key}": ["${mirrorUrl}"]\n}`],
    ['{"debug": true}\n', `{"debug": true, "${key}": ["${mirrorUrl}"]}\n`],
    ['{\n\t"a": [1, "}"],\n\t"b": {}\n}\n', `{\n\t"a": [1, "}"],\n\t"b": {},\n\t"${key}": ["${mirrorUrl}"]\n}\n`],
    [`{"${key}": []}`, `{"${key}": ["${mirrorUrl}"]}`],
    [`{\n  "${key}": [\n    "https://m.example"\n  ]\n}`, `{\n  "${key}": [\n    "${mirrorUrl}",\n    "https://m.example"\n  ]\n}`],
    [`{"${key}": ["${mirrorUrl}/"]}`, `{"${key}": ["${mirrorUrl}/"]}`],
  ]
  for (const [before, after] of cases) {
    test(`makes ${JSON.stringify(after)} of ${JSON.stringify(before)}`, () => {
      assert.equal(mergeDockerDaemon(before, path, mirrorUrl), after)
    })
  }

  test('keeps everything else and its order, changes nothing a second time, and comes out again, whatever the file looks like', () => {
    fc.assert(
      fc.property(daemon, (users) => {
        const before: Record<string, unknown> = JSON.parse(users)
        const mirrors = before[key]
        const merged = mergeDockerDaemon(users, path, mirrorUrl)
        const after: Record<string, unknown> = JSON.parse(merged)
        assert.deepEqual(after, { ...before, [key]: [mirrorUrl, ...(Array.isArray(mirrors) ? mirrors : [])] })
        assert.deepEqual(Object.keys(after).filter((name) => name !== key), Object.keys(before).filter((name) => name !== key))
        assert.equal(mergeDockerDaemon(merged, path, mirrorUrl), merged)
        const removed = removeDockerMirror(merged, path, mirrorUrl, mirrors !== undefined)
        assert.deepEqual(JSON.parse(removed), before)
        // An object that was empty, and a list that was, have white space that nobody could tell from what was there.
        if (Object.keys(before).length > 0) assert.equal(removed, users)
      }),
    )
  })

  test('makes a file that there was not', () => {
    for (const text of [undefined, '', ' \n']) assert.deepEqual(JSON.parse(mergeDockerDaemon(text, path, mirrorUrl)), { [key]: [mirrorUrl] })
  })

  const refused: [text: string, says: RegExp][] = [
    ['{\n  "a": 1,\n}\n', /^daemon\.json, line 3: .*nothing was written$/],
    ['{\n  "a": 1\n', /^daemon\.json, line 3: |^daemon\.json, line 2: /],
    ['[]', /^daemon\.json, line 1: it is not a JSON object/],
    [`{\n  "${key}": "https://m.example"\n}`, /^daemon\.json, line 2: registry-mirrors is not a list of addresses/],
    [`{"${key}": null}`, /^daemon\.json, line 1: registry-mirrors is not a list/],
  ]
  for (const [text, says] of refused) {
    test(`says what is wrong with ${JSON.stringify(text)}`, () => {
      assert.throws(() => mergeDockerDaemon(text, path, mirrorUrl), (error) => error instanceof RequestError && says.test(error.message))
    })
  }
})
