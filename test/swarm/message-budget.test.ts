import assert from 'node:assert/strict'
import { describe, test } from 'vitest'
import { MessageBudget } from '../../src/swarm/message-budget.ts'
import type { ControlMessage } from '../../src/wire/messages.ts'
import { someDigest } from '../net/nodes.ts'
import { scriptedNode } from '../support/scripted-link.ts'

const digest = someDigest()
const join: ControlMessage = { type: 'join', topic: digest, asks: true }
const have: ControlMessage = { type: 'have', digest, pieces: [1] }
const bitfield = (wants: boolean): ControlMessage => ({ type: 'bitfield', digest, sizeBytes: 1, wants, complete: false, private: false, bits: new Uint8Array(0) })

describe('what a peer may ask of a node', () => {
  test('is ten thousand messages at once and a thousand a second that cost something', async () => {
    await using node = await scriptedNode()
    const budget = new MessageBudget()
    const { entry } = node.link(1)
    const allowed = (message: ControlMessage, count: number, nowMs: number): number =>
      Array.from({ length: count }).filter(() => budget.allows(entry, message, nowMs)).length
    assert.equal(allowed(join, 6000, 0), 6000)
    assert.equal(allowed(bitfield(true), 6000, 0), 4000)
    assert.equal(allowed(join, 2000, 1000), 1000)
    assert.equal(allowed(have, 50_000, 1000), 50_000)
    assert.equal(allowed(bitfield(false), 50_000, 1000), 50_000)
  })

  test('is counted by link', async () => {
    await using node = await scriptedNode()
    const budget = new MessageBudget()
    const [greedy, modest] = [node.link(1), node.link(2)]
    while (budget.allows(greedy.entry, join, 0)) continue
    assert.equal(budget.allows(modest.entry, join, 0), true)
  })
})
