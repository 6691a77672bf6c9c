import assert from 'node:assert/strict'
import { describe, test } from 'vitest'
import { maxErrorBodyBytes, parseErrorBody, printErrorBody, refusalError } from '../../src/oci/distribution-error.ts'

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

describe('refusalError', () => {
  const table: [status: number, body: string, code: string, retryable: boolean][] = [
    [401, '', 'ERR_ORIGIN_AUTH', false],
    [403, '', 'ERR_ORIGIN_DENIED', false],
    [404, printErrorBody('MANIFEST_UNKNOWN', 'manifest unknown'), 'ERR_ORIGIN_NOT_FOUND', false],
    [406, '', 'ERR_ORIGIN_TYPE', false],
    [410, '', 'ERR_ORIGIN_NOT_FOUND', false],
    [416, '', 'ERR_ORIGIN_SIZE', false],
    [429, printErrorBody('TOOMANYREQUESTS', 'slow down'), 'ERR_ORIGIN_RATE', true],
    [400, printErrorBody('NAME_UNKNOWN', ''), 'ERR_ORIGIN_NOT_FOUND', false],
    [400, printErrorBody('DENIED', ''), 'ERR_ORIGIN_DENIED', false],
    [418, 'teapot', 'ERR_ORIGIN_DENIED', false],
    [500, '', 'ERR_ORIGIN_UNAVAILABLE', true],
    [503, printErrorBody('DENIED', 'upside down'), 'ERR_ORIGIN_UNAVAILABLE', true],
    [204, '', 'ERR_ORIGIN_TYPE', false],
    [304, '', 'ERR_ORIGIN_TYPE', false],
  ]
  for (const [status, body, code, retryable] of table) {
    test(`HTTP ${status} ${body} is ${code}`, () => {
      const error = refusalError({ status, body: bytes(body) }, 'registry.example: app')
      assert.equal(error.code, code)
      assert.equal(error.retryable, retryable)
      assert.equal(error.status, status)
    })
  }

  test('the wait that was asked for is on the error', () => {
    assert.equal(refusalError({ status: 429, retryAfterMs: 5000, body: bytes('') }, 'x').retryAfterMs, 5000)
  })

  test('what the registry says is shown in one short line', () => {
    const shouting = `line\nfeed\u001b[31m\u202e${'!'.repeat(10_000)}`
    const { message } = refusalError({ status: 500, body: bytes(printErrorBody('DENIED', shouting)) }, 'x')
    assert.ok(message.length < 500)
    assert.equal(/[\p{Cc}\p{Cf}]/u.test(message), false)
  })
})

describe('parseErrorBody', () => {
  test('a printed body reads back', () => {
    assert.deepEqual(parseErrorBody(bytes(printErrorBody('BLOB_UNKNOWN', 'blob unknown'))), {
      code: 'BLOB_UNKNOWN',
      message: 'blob unknown',
    })
  })

  for (const text of ['', '<html>', '[]', 'null', '{}', '{"errors":{}}', '{"errors":[]}', '{"errors":[null]}', '{"errors":[{"code":7}]}']) {
    test(`${text || 'nothing'} is no error body`, () => {
      assert.equal(parseErrorBody(bytes(text)), undefined)
    })
  }

  test('a body over the cap is not read', () => {
    assert.equal(parseErrorBody(bytes(printErrorBody('DENIED', 'x'.repeat(maxErrorBodyBytes)))), undefined)
  })
})
