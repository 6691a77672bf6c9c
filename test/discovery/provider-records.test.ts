import assert from 'node:assert/strict'
import { describe, test } from 'vitest'
import { ProviderRecords, recordValidityMs } from '../../src/discovery/provider-records.ts'
import { fakeClock } from '../../src/testing/fake-clock.ts'

const value = new Uint8Array([7])

function key(topic: number | string, provider: number | string): string {
  return `/dht/provider/topic${topic}/peer${provider}`
}

function providersOf(records: ProviderRecords<string>, topic: number | string): string[] {
  return [...records.of(`/dht/provider/topic${topic}`)].map((record) => record.key.replace(/.*peer/, ''))
}

describe('ProviderRecords', () => {
  test('a topic keeps its 64 latest providers', () => {
    const records = new ProviderRecords<string>(fakeClock())
    for (let provider = 0; provider < 100; provider++) records.put(key('A', provider), value)
    records.put(key('A', 40), value)
    records.put(key('A', 100), value)
    const expected = [...Array.from({ length: 63 }, (_, index) => index + 37).filter((it) => it !== 40), 40, 100]
    assert.deepEqual(providersOf(records, 'A'), expected.map(String))
  })

  test('a provider has its 256 latest topics', () => {
    const records = new ProviderRecords<string>(fakeClock())
    for (let topic = 0; topic < 300; topic++) records.put(key(topic, 'greedy'), value)
    records.put(key(0, 'modest'), value)
    assert.equal(records.size, 257)
    assert.deepEqual(providersOf(records, 0), ['modest'])
    assert.deepEqual(providersOf(records, 44), ['greedy'])
  })

  test('of more than 20,000 records the oldest give way', () => {
    const records = new ProviderRecords<string>(fakeClock())
    for (let index = 0; index < 20_010; index++) records.put(key(index, index), value)
    assert.equal(records.size, 20_000)
    assert.deepEqual(providersOf(records, 9), [])
    assert.deepEqual(providersOf(records, 10), ['10'])
  })

  test('a record is over an hour after it was last provided', () => {
    const clock = fakeClock()
    const records = new ProviderRecords<string>(clock)
    records.put(key('A', 1), value)
    records.put(key('A', 2), value)
    clock.advance(recordValidityMs / 2)
    records.put(key('A', 1), value)
    clock.advance(recordValidityMs / 2)
    assert.deepEqual(providersOf(records, 'A'), ['1'])
    assert.equal(records.size, 1)
    clock.advance(recordValidityMs / 2)
    assert.deepEqual([...records.of()], [])
    assert.equal(records.size, 0)
  })
})
