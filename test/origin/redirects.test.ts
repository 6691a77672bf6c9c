import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { describe, test } from 'vitest'
import { seededContent } from '../../src/testing/seeded-content.ts'
import { testCertificate } from '../oci/certificate.ts'
import { FakeRegistry } from './fake-registry.ts'
import { publicAddress, publicRegistry } from './public-registry.ts'
import { Pull } from './pull.ts'

const content = seededContent(51, 300_000)
const { digest } = content
const secret = { username: 'user', password: 'canary-password' }
const basic = `Basic ${Buffer.from(`${secret.username}:${secret.password}`).toString('base64')}`

/** Whether this machine has the loopback address of IPv6. */
const hasIpv6 = await new Promise<boolean>((resolve) => {
  const socket = connect({ host: '::1', port: 1 })
  socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code === 'ECONNREFUSED'))
  socket.on('connect', () => resolve(true))
})

describe('an origin that redirects', () => {
  test('O13: to a host for content is followed, and that host sees nothing of who we are', async () => {
    await using cdn = await FakeRegistry.open()
    await using registry = await FakeRegistry.open()
    cdn.addBlob(content)
    registry.misbehave('/v2/', ({ request, response }) => {
      if (request.headers.authorization !== basic) return void response.writeHead(401, { 'www-authenticate': 'Basic realm="x"' }).end()
      response.writeHead(307, { location: `${cdn.url}${request.url}?signature=of-the-registry` }).end()
    })
    await using pull = await Pull.open([registry], [content], { settings: { auth: secret } })
    const blob = await pull.layer(registry, content)
    assert.equal(blob.private, true)
    await pull.exact(blob, content)
    assert.ok(registry.seen.some(({ headers }) => headers.authorization === basic))
    assert.ok(cdn.seen.length > 0)
    for (const { headers } of cdn.seen) {
      assert.deepEqual(Object.keys(headers).filter((name) => !['host', 'connection', 'user-agent', 'accept', 'accept-encoding', 'range', 'if-range'].includes(name)), [])
    }
    await pull.innocent()
  })

  test('O13: to a host that asks who we are gets no answer to that', async () => {
    await using cdn = await FakeRegistry.open()
    await using registry = await FakeRegistry.open()
    registry.misbehave('/v2/', ({ request, response }) => void response.writeHead(307, { location: `${cdn.url}${request.url}` }).end())
    for (const challenge of ['Basic realm="cdn"', `Bearer realm="${cdn.url}/token"`, `Bearer realm="${registry.url}/token"`]) {
      cdn.misbehave('/v2/', ({ response }) => void response.writeHead(401, { 'www-authenticate': challenge }).end())
      await using pull = await Pull.open([registry], [content], { settings: { auth: secret } })
      await pull.fails(pull.layer(registry, content), 'ERR_ORIGIN_AUTH')
      assert.deepEqual([...cdn.seen, ...registry.seen].flatMap(({ headers }) => headers.authorization ?? []), [])
      assert.deepEqual([...cdn.asked('/token'), ...registry.asked('/token')], [])
      await pull.innocent()
    }
  })

  test('O13: only who shows nothing, such as the question what is public, tells nothing of who we are', async () => {
    await using cdn = await FakeRegistry.open()
    await using registry = await FakeRegistry.open()
    cdn.addBlob(content)
    registry.addBlob(content)
    let reads = 0
    registry.misbehave('/v2/', ({ request, response, serve }) => {
      if (request.headers.authorization === basic) {
        reads++
        return serve()
      }
      // At first nobody gets in without credentials; later, who has none is sent elsewhere.
      if (reads === 0) return void response.writeHead(401, { 'www-authenticate': 'Basic realm="x"' }).end()
      response.writeHead(307, { location: `${cdn.url}${request.url}` }).end()
    })
    await using pull = await Pull.open([registry], [content], { settings: { auth: secret } })
    const probed = new Promise<void>((resolve) => cdn.misbehave('/v2/', ({ serve }) => {
      serve()
      resolve()
    }))
    await pull.exact(await pull.layer(registry, content), content)
    await probed
    for (const { headers } of cdn.seen) assert.equal(headers.authorization, undefined)
    await pull.innocent()
  })

  for (const [what, hops] of [
    ['in a circle', Number.POSITIVE_INFINITY],
    ['six times', 6],
  ] as const) {
    test(`O14: ${what} is left after five redirects`, async () => {
      await using registry = await FakeRegistry.open()
      registry.addBlob(content)
      registry.misbehave('/v2/', ({ request, response, serve }) => {
        const hop = Number(new URL(request.url ?? '', 'http://x').searchParams.get('hop') ?? 0)
        if (hop >= hops) return serve()
        const location = hops === 6 ? `?hop=${hop + 1}` : '?hop=0'
        response.writeHead(302, { location }).end()
      })
      await using pull = await Pull.open([registry], [content])
      await pull.fails(pull.layer(registry, content), 'ERR_ORIGIN_REDIRECT')
      assert.equal(registry.seen.length, 6)
      await pull.innocent()
    })
  }

  test('O14: five times is followed', async () => {
    await using registry = await FakeRegistry.open()
    registry.addBlob(content)
    registry.misbehave('/v2/', ({ request, response, serve }) => {
      const hop = Number(new URL(request.url ?? '', 'http://x').searchParams.get('hop') ?? 0)
      if (hop >= 5) return serve()
      response.writeHead(302, { location: `?hop=${hop + 1}` }).end()
    })
    await using pull = await Pull.open([registry], [content])
    await pull.exact(await pull.layer(registry, content), content)
    await pull.innocent()
  })

  test('O14: from HTTPS to plain HTTP is not followed', async () => {
    const certificate = testCertificate('127.0.0.1')
    await using plain = await FakeRegistry.open()
    await using registry = await FakeRegistry.open({ certificate, address: '127.0.0.1' })
    plain.addBlob(content)
    registry.misbehave('/v2/', ({ request, response }) => void response.writeHead(302, { location: `${plain.url}${request.url}` }).end())
    await using pull = await Pull.open([registry], [content], { settings: { insecure: false, ca: certificate.cert } })
    await pull.fails(pull.layer(registry, content), 'ERR_ORIGIN_REDIRECT')
    assert.equal(plain.connectionCount, 0)
    await pull.innocent()
  })

  for (const location of ['file:///etc/passwd', 'ftp://127.0.0.1/', 'javascript:1', 'http://user:canary-password@127.0.0.1/', 'http://', undefined]) {
    test(`O14: to ${location ?? 'nowhere'} is not followed`, async () => {
      await using registry = await FakeRegistry.open()
      registry.misbehave('/v2/', ({ response }) => void response.writeHead(302, location === undefined ? {} : { location }).end())
      await using pull = await Pull.open([registry], [content])
      const failure = await pull.fails(pull.layer(registry, content), 'ERR_ORIGIN_REDIRECT')
      assert.equal(failure.message.includes('canary'), false)
      await pull.innocent()
    })
  }

  for (const host of ['169.254.169.254', '[fd00:ec2::254]', '0xa9fea9fe', '[::ffff:169.254.169.254]', '100.100.100.200']) {
    test(`O15: from this machine to ${host}, the metadata service, is not connected to`, async () => {
      await using registry = await FakeRegistry.open()
      registry.misbehave('/v2/', ({ response }) => void response.writeHead(302, { location: `http://${host}/latest/meta-data/` }).end())
      await using pull = await Pull.open([registry], [content])
      await pull.fails(pull.layer(registry, content), 'ERR_ORIGIN_REDIRECT')
      assert.equal(registry.seen.length <= 2, true)
      await pull.innocent()
    })
  }

  const names = ['127.0.0.1', 'localhost', '0x7f000001', '2130706433', '127.1', '[::ffff:127.0.0.1]', ...(hasIpv6 ? ['[::1]'] : []), 'inside.example']
  for (const name of names) {
    test(`O15: from the public network to ${name} is not connected to`, async () => {
      const isIpv6 = name === '[::1]'
      await using inside = await FakeRegistry.open(isIpv6 ? { address: '::1' } : {})
      await using registry = await FakeRegistry.open({ address: publicAddress })
      inside.addBlob(content)
      const port = inside.host.split(':').at(-1)
      registry.misbehave('/v2/', ({ request, response }) => void response.writeHead(302, { location: `http://${name}:${port}${request.url}` }).end())
      await using pull = await Pull.open([registry], [content])
      const { origin, close } = publicRegistry({
        url: registry.url,
        clock: pull.clock,
        names: { localhost: () => ['127.0.0.1', '::1'], 'inside.example': () => ['127.0.0.1'] },
      })
      await pull.fails(pull.clock.skipping(pull.layerFrom(origin(content), content)), 'ERR_ORIGIN_REDIRECT')
      assert.equal(inside.connectionCount, 0)
      await close()
      await pull.innocent()
    })
  }

  test('O15: to a name that is public when it is looked at and inside when it is used is not connected to', async () => {
    await using inside = await FakeRegistry.open()
    const port = Number(inside.host.split(':')[1])
    await using cdn = await FakeRegistry.open({ address: publicAddress, port })
    await using registry = await FakeRegistry.open({ address: publicAddress })
    for (const each of [inside, cdn]) each.addBlob(content)
    registry.misbehave('/v2/', ({ request, response }) => void response.writeHead(302, { location: `http://cdn.example:${port}${request.url}` }).end())
    cdn.misbehave('/v2/', ({ response, serve }) => {
      response.setHeader('connection', 'close')
      serve()
    })
    let asked = 0
    await using pull = await Pull.open([registry], [content])
    const { origin, close } = publicRegistry({
      url: registry.url,
      clock: pull.clock,
      names: { 'cdn.example': () => [++asked === 1 ? publicAddress : '127.0.0.1'] },
    })
    const read = async (): Promise<void> => pull.exactly((await origin(content).read(undefined)).chunks, content)
    await pull.clock.skipping(read())
    await pull.fails(pull.clock.skipping(read()), 'ERR_ORIGIN_REDIRECT')
    assert.equal(inside.connectionCount, 0)
    await close()
    await pull.innocent()
  })

  test('O15: by a registry whose name is public and inside in turns leads nowhere inside', async () => {
    await using inside = await FakeRegistry.open()
    await using registry = await FakeRegistry.open({ address: publicAddress })
    const port = Number(registry.host.split(':')[1])
    await using alias = await FakeRegistry.open({ port })
    inside.addBlob(content)
    alias.addBlob(content)
    registry.misbehave('/v2/', ({ request, response }) => void response.writeHead(302, { location: `${inside.url}${request.url}`, connection: 'close' }).end())
    alias.misbehave('/v2/', ({ request, response }) => void response.writeHead(302, { location: `${inside.url}${request.url}`, connection: 'close' }).end())
    let asked = 0
    await using pull = await Pull.open([registry], [content])
    const { origin, close } = publicRegistry({
      url: `http://registry.example:${port}`,
      clock: pull.clock,
      names: { 'registry.example': () => [++asked === 1 ? publicAddress : '127.0.0.1'] },
    })
    const read = async (): Promise<void> => pull.exactly((await origin(content).read(undefined)).chunks, content)
    for (let turn = 0; turn < 3; turn++) await pull.fails(pull.clock.skipping(read()), 'ERR_ORIGIN_REDIRECT')
    assert.ok(asked > 1)
    assert.equal(inside.connectionCount, 0)
    await close()
    await pull.innocent()
  })

  test('O15: to a name with addresses in both networks is connected to in the public one', async () => {
    await using inside = await FakeRegistry.open()
    const port = Number(inside.host.split(':')[1])
    await using cdn = await FakeRegistry.open({ address: publicAddress, port })
    await using registry = await FakeRegistry.open({ address: publicAddress })
    cdn.addBlob(content)
    registry.misbehave('/v2/', ({ request, response }) => void response.writeHead(302, { location: `http://cdn.example:${port}${request.url}` }).end())
    await using pull = await Pull.open([registry], [content])
    const { origin, close } = publicRegistry({ url: registry.url, clock: pull.clock, names: { 'cdn.example': () => ['127.0.0.1', publicAddress] } })
    await pull.exact(await pull.clock.skipping(pull.layerFrom(origin(content), content)), content)
    assert.equal(inside.connectionCount, 0)
    assert.ok(cdn.asked(digest).length > 0)
    await close()
    await pull.innocent()
  })

  test('no proxy of the environment is used', async () => {
    await using proxy = await FakeRegistry.open()
    await using registry = await FakeRegistry.open()
    registry.addBlob(content)
    const names = ['HTTP_PROXY', 'http_proxy', 'HTTPS_PROXY', 'ALL_PROXY']
    for (const name of names) process.env[name] = proxy.url
    try {
      await using pull = await Pull.open([registry], [content])
      await pull.exact(await pull.layer(registry, content), content)
    } finally {
      for (const name of names) delete process.env[name]
    }
    assert.equal(proxy.connectionCount, 0)
  })
})
