import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { text } from 'node:stream/consumers'
import { describe, test } from 'vitest'
import { serveHttp, type Handler } from './servers.ts'

/** What a program says that does nothing but read from an origin. */
async function readInAnotherProcess(handler: Handler): Promise<string> {
  await using server = await serveHttp(handler)
  const origin = new URL('../../src/oci/http-origin.ts', import.meta.url)
  const program = `
    import { httpOrigin } from '${origin.href}'
    const { chunks } = await httpOrigin('${server.url}/').read(undefined)
    for await (const chunk of chunks) process.stdout.write(chunk)
  `
  const child = spawn(process.execPath, ['--input-type=module', '--eval', program], { stdio: ['ignore', 'pipe', 'pipe'] })
  const [said, complaint] = await Promise.all([text(child.stdout), text(child.stderr)])
  assert.equal(complaint, '')
  return said
}

describe('a process that only waits for an origin', () => {
  test('stays alive until the next try', async () => {
    let requests = 0
    const said = await readInAnotherProcess((_, response) => {
      if (requests++ === 0) response.writeHead(500, { connection: 'close' }).end()
      else response.end('hello')
    })
    assert.equal(said, 'hello')
  })

  test('stays alive while the origin wants to be left alone', async () => {
    let requests = 0
    const said = await readInAnotherProcess((_, response) => {
      if (requests++ === 0) response.writeHead(429, { connection: 'close', 'retry-after': '1' }).end()
      else response.end('hello')
    })
    assert.equal(said, 'hello')
  })
})
