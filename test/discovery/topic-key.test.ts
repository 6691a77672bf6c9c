import assert from 'node:assert/strict'
import { Secret } from '../../src/core/secret.ts'
import { describe, test } from 'vitest'
import { digestToBytes } from '../../src/core/digest.ts'
import { mdnsServiceTag, topicKey } from '../../src/discovery/topic-key.ts'
import { topicOf } from './kad-network.ts'

const topic = topicOf('an image')
const networkKey = new Secret(new Uint8Array(32).fill(1))
const otherKey = new Secret(new Uint8Array(32).fill(2))

describe('topicKey', () => {
  test('without a network key it is the digest as a sha256 multihash', () => {
    assert.deepEqual([...topicKey(topic).multihash.bytes], [0x12, 32, ...digestToBytes(topic)])
  })

  test('with one it is a multihash of the same form that tells neither the digest nor other networks\' key', () => {
    const keys = [topicKey(topic), topicKey(topic, networkKey), topicKey(topic, otherKey), topicKey(topicOf('other'), networkKey)]
    for (const { multihash } of keys) assert.deepEqual([multihash.code, multihash.size], [0x12, 32])
    assert.equal(new Set(keys.map(String)).size, keys.length)
    assert.equal(String(topicKey(topic, networkKey)), String(topicKey(topic, new Secret(networkKey.reveal().slice()))))
  })
})

describe('mdnsServiceTag', () => {
  test('it is a service name of at most fifteen characters, of its own for each network', () => {
    const tags = [mdnsServiceTag(), mdnsServiceTag(networkKey), mdnsServiceTag(otherKey)]
    for (const tag of tags) assert.match(tag, /^_[a-z0-9-]{1,15}\._udp\.local$/)
    assert.equal(tags[0], '_damselfly._udp.local')
    assert.equal(new Set(tags).size, tags.length)
  })
})
