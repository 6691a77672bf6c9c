import assert from 'node:assert/strict'
import { describe, test } from 'vitest'
import { distanceOf } from '../../src/engine/location.ts'
import type { Location } from '../../src/wire/messages.ts'

describe('distanceOf', () => {
  test.for([
    ['eu/a/1', 'eu/a/1', 0],
    ['eu/a/1', 'eu/a/2', 1],
    ['eu/a/', 'eu/a/', 1],
    ['eu/a/1', 'eu/b/1', 2],
    ['eu//1', 'eu//1', 2],
    ['eu/a/1', 'us/a/1', 3],
    ['/a/1', '/a/1', 2],
    ['eu/a/1', '//', 2],
  ] as const)('%s and %s: %i', ([ours, theirs, distance]) => {
    assert.equal(distanceOf(where(ours), where(theirs)), distance)
    assert.equal(distanceOf(where(theirs), where(ours)), distance)
  })
})

function where(path: string): Location {
  const [region = '', zone = '', rack = ''] = path.split('/')
  return { region, zone, rack }
}
