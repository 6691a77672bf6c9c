import assert from 'node:assert/strict'
import { describe, test } from 'vitest'
import { digestOf } from '../../src/core/digest.ts'
import { embeddedOrigin } from '../../src/testing/embedded-origin.ts'
import { testImage } from '../../src/testing/test-image.ts'
import { TestNodes } from '../support/nodes.ts'
import { mirrorOf, registry } from './mirror-fixture.ts'

const basic = (name: string, password: string): Record<string, string> => ({ authorization: `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}` })

describe('a mirror that passes credentials through', () => {
  test('serves to each caller what the registry lets him have, also of what is here already', async () => {
    await using origin = await embeddedOrigin({ auth: { scheme: 'basic', username: 'me', password: 'secret' } })
    await using nodes = new TestNodes()
    const image = testImage({ seed: 1, layerSizes: [2_000_000] })
    image.addTo(origin, 'team/app', '1.0')
    const { mirror } = await mirrorOf(nodes, origin, { mirror: { auth: 'passthrough' } })
    const [layer] = image.layers
    assert.ok(layer)
    const paths = ['manifests/1.0', `manifests/${image.manifest.digest}`, `blobs/${layer.digest}`]
    const ask = (path: string, headers = {}): Promise<Response> => fetch(`${mirror.url}/v2/team/app/${path}`, { headers })
    for (const path of paths) {
      const answer = await ask(path)
      assert.deepEqual([answer.status, answer.headers.get('www-authenticate')], [401, 'Basic realm="embedded"'], path)
    }
    for (const path of paths) assert.equal((await ask(path, basic('me', 'secret'))).status, 200, path)
    for (const path of paths) {
      assert.equal((await ask(path)).status, 401, `${path}, which is here now`)
      assert.equal((await ask(path, basic('me', 'wrong'))).status, 401, path)
    }
    const blob = await ask(`blobs/${layer.digest}`, basic('me', 'secret'))
    assert.equal(digestOf(Buffer.from(await blob.arrayBuffer())), layer.digest)
  })

  test('shows the registry\'s own door', async () => {
    await using origin = await embeddedOrigin({ auth: { scheme: 'bearer', username: 'me', password: 'secret' } })
    await using nodes = new TestNodes()
    const image = testImage({ seed: 1, layerSizes: [2000] })
    image.addTo(origin, 'team/app', '1.0')
    const { mirror } = await mirrorOf(nodes, origin, { mirror: { auth: 'passthrough' } })
    const refused = await fetch(`${mirror.url}/v2/team/app/manifests/1.0?ns=${registry}`)
    const challenge = refused.headers.get('www-authenticate') ?? ''
    const [, realm = '', service = '', scope = ''] = /^Bearer realm="([^"]+)",service="([^"]+)",scope="([^"]+)"$/.exec(challenge) ?? []
    const { token } = (await (await fetch(`${realm}?service=${service}&scope=${scope}`, { headers: basic('me', 'secret') })).json()) as { token: string }
    const answer = await fetch(`${mirror.url}/v2/team/app/manifests/1.0?ns=${registry}`, { headers: { authorization: `Bearer ${token}` } })
    assert.equal(answer.status, 200)
    const forged = await fetch(`${mirror.url}/v2/team/app/manifests/1.0?ns=${registry}`, { headers: { authorization: 'Bearer forged' } })
    assert.equal(forged.status, 401)
  })

  test('denies while the registry cannot say', async () => {
    const origin = await embeddedOrigin({ auth: { scheme: 'basic', username: 'me', password: 'secret' } })
    await using nodes = new TestNodes()
    const image = testImage({ seed: 1, layerSizes: [2000] })
    image.addTo(origin, 'team/app', '1.0')
    const { mirror } = await mirrorOf(nodes, origin, { mirror: { auth: 'passthrough' } })
    const url = `${mirror.url}/v2/team/app/manifests/${image.manifest.digest}`
    assert.equal((await fetch(url, { headers: basic('me', 'secret') })).status, 200)
    await origin.close()
    assert.equal((await fetch(url, { headers: basic('somebody', 'else') })).status, 502)
  })
})

describe('mirrors that ask each other in a circle', () => {
  test('end with an answer', async () => {
    await using origin = await embeddedOrigin()
    await using nodes = new TestNodes()
    const first = await mirrorOf(nodes, origin, { mirror: { listen: '127.0.0.1:0' } })
    const second = await mirrorOf(nodes, origin, { mirror: { upstreams: { [registry]: { url: first.mirror.url, insecure: true } } } })
    const { port } = new URL(second.mirror.url)
    await first.mirror.close()
    const back = await mirrorOf(nodes, origin, {
      swarm: first.swarm,
      mirror: { listen: new URL(first.mirror.url).host, upstreams: { [registry]: { url: `http://127.0.0.1:${port}`, insecure: true } } },
    })
    const answer = await fetch(`${back.mirror.url}/v2/team/app/manifests/1.0`)
    assert.equal(answer.status, 404)
  })
})
