import assert from 'node:assert/strict'
import { describe, test } from 'vitest'
import { printBytes, printEvent } from '../../src/cli/event-text.ts'

const mib = 1024 * 1024

describe('printBytes', () => {
  const printed: [bytes: number, text: string][] = [
    [0, '0 B'],
    [1023, '1023 B'],
    [1024, '1.0 KiB'],
    [1.5 * mib, '1.5 MiB'],
    [mib - 1, '1.0 MiB'],
    [5 * 1024 * mib, '5.0 GiB'],
    [2 ** 40, '1.0 TiB'],
    [2 ** 51, '2048.0 TiB'],
  ]
  for (const [bytes, text] of printed) test(`${bytes} is ${text}`, () => assert.equal(printBytes(bytes), text))
})

describe('printEvent', () => {
  const digest = `sha256:${'a'.repeat(64)}` as const

  test('says of a pull how much came from where', () => {
    const text = printEvent({
      event: 'done',
      digest,
      bytes: { total: 64 * mib, origin: 8 * mib, peers: 52 * mib, stored: 4 * mib },
      peers: [{ peerId: 'peer-1', bytes: 52 * mib, foundBy: ['dht', 'tracker'], bytesWhileIncomplete: 0 }],
      ms: 2149,
    })
    assert.deepEqual(text.split('\n'), [
      `${digest} 64.0 MiB in 2.1 s: 8.0 MiB from the origin, 52.0 MiB from 1 peer, 4.0 MiB already here`,
      '    52.0 MiB  peer-1  found by dht, tracker',
    ])
  })

  test('gives the addresses of a node, one a line', () => {
    const text = printEvent({ event: 'ready', peerId: 'me', addresses: ['/ip4/127.0.0.1/tcp/1/p2p/me'] })
    assert.deepEqual(text.split('\n'), ['node me is ready; stop it with Ctrl-C', '  /ip4/127.0.0.1/tcp/1/p2p/me'])
  })

  test('lists the layers and platforms of an image', () => {
    const blob = (letter: string, size: number) => ({
      mediaType: `type/${letter}`,
      digest: `sha256:${letter.repeat(64)}` as const,
      size,
    })
    const text = printEvent({
      event: 'inspected',
      reference: 'registry.example/app:1',
      digest,
      manifest: blob('b', 500),
      config: blob('c', 100),
      layers: [blob('d', 3 * mib), blob('e', mib)],
      platform: 'linux/amd64',
      platforms: ['linux/amd64', 'linux/arm64/v8'],
    })
    assert.deepEqual(text.split('\n'), [
      'reference  registry.example/app:1',
      `digest     ${digest}`,
      `manifest   sha256:${'b'.repeat(64)}       500 B  type/b`,
      `config     sha256:${'c'.repeat(64)}       100 B  type/c`,
      'platform   linux/amd64 (of linux/amd64, linux/arm64/v8)',
      'layers     2, 4.0 MiB',
      `           sha256:${'d'.repeat(64)}     3.0 MiB  type/d`,
      `           sha256:${'e'.repeat(64)}     1.0 MiB  type/e`,
    ])
  })
})
