import assert from 'node:assert/strict'
import { describe, test } from 'vitest'
import { seededRandom, type Random } from '../../src/core/random.ts'
import { LinkBook } from '../../src/engine/links.ts'
import { distanceOf } from '../../src/engine/location.ts'
import type { Location } from '../../src/wire/messages.ts'
import { fuzzRuns } from '../support/fuzz.ts'

const nodeCount = 200
const knownEach = 32
/** Odds of a member in the same rack, zone, region, or elsewhere to be introduced, as of one ticket in a draw. */
const tickets = [16, 6, 2, 1]

interface Node {
  readonly name: string
  readonly location: Location
  readonly book: LinkBook
  /** Distances of the links that it dialled. */
  readonly dialled: number[]
  readonly links: Node[]
}

describe.for([1, 3])('the graph of links of 200 nodes in %i regions that know 32 others each, mostly near ones', (regions) => {
  test('it is connected, most links are near, and nobody has too many', () => {
    const { numRuns, seed: firstSeed } = fuzzRuns(60)
    let [apart, near, all, alone] = [0, 0, 0, 0]
    for (let seed = firstSeed; seed < firstSeed + numRuns; seed++) {
      const nodes = linkedNodes(regions, seededRandom(seed))
      if (componentsOf(nodes) > 1) apart++
      for (const { name, location, book, dialled, links } of nodes) {
        const distances = links.map((other) => distanceOf(location, other.location))
        const inRegion = distances.filter((distance) => distance < 3).length
        assert.ok(links.length >= 5 && inRegion <= 15, `seed ${seed}: ${name} has ${inRegion} links and ${links.length - inRegion} far ones`)
        assert.equal(book.linkedCount, links.length)
        assert.ok(dialled.filter((distance) => distance === 3).length <= 2, `seed ${seed}: ${name} dialled ${dialled.join()}`)
        if (regions > 1 && !distances.includes(3)) alone++
        near += distances.filter((distance) => distance <= 1).length
        all += links.length
      }
    }
    assert.ok(apart <= numRuns / 1000, `${apart} of ${numRuns} graphs fell apart`)
    assert.ok(near / all > 0.6, `${near / all} of the links are in the zone`)
    assert.ok(alone <= (numRuns * nodeCount) / 1000, `${alone} nodes have no link to another region`)
  })
})

function linkedNodes(regions: number, random: Random): Node[] {
  const nodes = Array.from({ length: nodeCount }, (_, index) => createNode(index, regions, random))
  for (const node of nodes) introduce(node, nodes, random)
  for (let now = 0; now <= 3000; now += 500) {
    for (const node of shuffled(nodes, random)) {
      for (const { key } of node.book.toDial(now)) dial(node, nodes[Number(key)], now)
    }
  }
  return nodes
}

/** Twelve zones, each of two racks of about eight. */
function createNode(index: number, regions: number, random: Random): Node {
  const [region, zone, rack] = [index % regions, index % 12, random.below(2)]
  const location = { region: `r${region}`, zone: `z${zone}`, rack: `k${rack}` }
  return { name: `${index}`, location, book: new LinkBook(`${index}`, 64, random, { location }), dialled: [], links: [] }
}

function introduce(node: Node, nodes: readonly Node[], random: Random): void {
  // The smallest of several draws is a weighted choice without repetition.
  const drawn = nodes.filter((other) => other !== node).map((other) => {
    const weight = tickets[distanceOf(node.location, other.location)] ?? 1
    return { other, key: -Math.log(1 - random.next()) / weight }
  })
  drawn.sort((a, b) => a.key - b.key)
  for (const { other } of drawn.slice(0, knownEach)) {
    node.book.found({ peerId: other.name, addresses: ['a'], location: other.location }, 'tracker')
  }
}

function dial(from: Node, to: Node | undefined, now: number): void {
  if (!to?.book.mayAccept({ location: from.location })) {
    from.book.dialFailed(to?.name ?? '', now)
    return
  }
  from.book.linked(to.name, false, { location: to.location })
  to.book.linked(from.name, true, { location: from.location })
  from.dialled.push(distanceOf(from.location, to.location))
  from.links.push(to)
  to.links.push(from)
}

function componentsOf(nodes: readonly Node[]): number {
  const parents = new Map<Node, Node>()
  const rootOf = (node: Node): Node => {
    let root = node
    for (let parent = parents.get(root); parent; parent = parents.get(root)) root = parent
    return root
  }
  let components = nodes.length
  for (const node of nodes) {
    for (const other of node.links) {
      const [one, two] = [rootOf(node), rootOf(other)]
      if (one === two) continue
      parents.set(one, two)
      components--
    }
  }
  return components
}

function shuffled(nodes: readonly Node[], random: Random): Node[] {
  return nodes
    .map((node) => ({ node, key: random.next() }))
    .toSorted((a, b) => a.key - b.key)
    .map(({ node }) => node)
}
