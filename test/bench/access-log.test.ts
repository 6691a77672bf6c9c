import assert from 'node:assert/strict'
import { describe, test } from 'vitest'
import { addUpAccessLog } from './net/access-log.ts'

const digest = `sha256:${'a'.repeat(64)}`
const time = '[25/Nov/2025:18:00:00 +0000]'

describe('addUpAccessLog', () => {
  test('adds up bodies of blobs and manifests', () => {
    const use = addUpAccessLog(
      [
        `10.77.0.2 - - ${time} "GET /v2/bench/blob/blobs/${digest} HTTP/1.1" 206 262144 "" "undici"`,
        `10.77.0.3 - - ${time} "GET /v2/bench/blob/blobs/${digest} HTTP/1.1" 200 1000 "" "curl/8.14.1"`,
        `10.77.0.3 - - ${time} "GET /v2/bench/blob/manifests/v1 HTTP/1.1" 200 500 "" "curl/8.14.1"`,
      ].join('\n'),
    )
    assert.deepEqual(use, { requests: 3, bytes: 263_644 })
  })

  test('counts what was refused as a request, but not its bytes', () => {
    const use = addUpAccessLog(
      [
        `10.77.0.2 - - ${time} "GET /v2/bench/blob/blobs/${digest} HTTP/1.1" 404 157 "" "undici"`,
        `10.77.0.2 - - ${time} "HEAD /v2/bench/blob/blobs/${digest} HTTP/1.1" 200 0 "" "undici"`,
      ].join('\n'),
    )
    assert.deepEqual(use, { requests: 2, bytes: 0 })
  })

  test('leaves out pings, uploads and the other log', () => {
    const use = addUpAccessLog(
      [
        `10.77.0.1 - - ${time} "GET /v2/ HTTP/1.1" 200 2 "" "curl/8.14.1"`,
        `10.77.0.1 - - ${time} "PUT /v2/bench/blob/blobs/uploads/1?digest=${digest} HTTP/1.1" 201 0 "" "curl/8.14.1"`,
        `time="2025-11-25T18:00:00Z" level=info msg="response completed" http.request.uri=/v2/a/blobs/${digest} http.response.written=262144`,
      ].join('\n'),
    )
    assert.deepEqual(use, { requests: 0, bytes: 0 })
  })
})
