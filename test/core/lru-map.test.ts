import assert from 'node:assert/strict'
import { describe, test } from 'vitest'
import { LruMap } from '../../src/core/lru-map.ts'

describe('LruMap', () => {
  test('forgets what was used least recently', () => {
    const map = new LruMap<string, number>(2)
    map.set('a', 1)
    map.set('b', 2)
    assert.equal(map.get('a'), 1)
    map.set('c', 3)
    assert.equal(map.get('b'), undefined)
    assert.equal(map.get('a'), 1)
    assert.equal(map.get('c'), 3)
  })

  test('counts by weight, and a new value replaces the weight of the old', () => {
    const map = new LruMap<string, string>(10, (text) => text.length)
    map.set('a', '12345678')
    map.set('a', '12')
    map.set('b', '12345678')
    assert.equal(map.get('a'), '12')
    map.set('c', '1')
    assert.equal(map.get('b'), undefined)
    assert.equal(map.get('a'), '12')
  })

  test('does not keep what is too heavy by itself', () => {
    const map = new LruMap<string, string>(3, (text) => text.length)
    map.set('a', '1234')
    assert.equal(map.get('a'), undefined)
    map.set('b', '123')
    assert.equal(map.get('b'), '123')
  })

  test('a deleted value weighs nothing', () => {
    const map = new LruMap<string, string>(3, (text) => text.length)
    map.set('a', '123')
    map.delete('a')
    map.delete('a')
    map.set('b', '1')
    map.set('c', '12')
    assert.equal(map.get('b'), '1')
  })
})
