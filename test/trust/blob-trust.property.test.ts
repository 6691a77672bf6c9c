import assert from 'node:assert/strict'
import fc from 'fast-check'
import { describe, test } from 'vitest'
import { seededRandom, type Random } from '../../src/core/random.ts'
import { DrawnTrust } from '../support/drawn-trust.ts'
import { fuzzRuns } from '../support/fuzz.ts'

/** What a peer does: tell the truth, or claim a lie and serve it, claim the truth and serve something else, pass on what another signed. */
type Kind = 'honest' | 'lies' | 'colludes' | 'corrupts' | 'passes on'

interface Peer {
  readonly link: number
  readonly kind: Kind
  /** Who signs its claims. */
  readonly issuer: string
  readonly text: string
}

const pieceCount = 24

function letterOf(peer: Peer, piece: number): string {
  return peer.kind === 'corrupts' ? 'z' : (peer.text[piece] ?? '.')
}

function drawPeers(random: Random, liarPart: number): Peer[] {
  const kinds: readonly Kind[] = ['lies', 'colludes', 'corrupts']
  const lie = (letter: string): string => Array.from({ length: pieceCount }, () => (random.next() < 0.3 ? letter : '.')).join('')
  const shared = lie('c')
  const peers: Peer[] = []
  for (let link = 0; link < 10; link++) {
    const liar = random.next() < liarPart
    const kind: Kind = liar ? (kinds[random.below(kinds.length)] ?? 'lies') : 'honest'
    const text = kind === 'lies' ? lie(String.fromCharCode(65 + link)) : kind === 'colludes' ? shared : '.'.repeat(pieceCount)
    peers.push({ link, kind, issuer: `peer ${link}`, text })
  }
  // In good faith somebody always passes on what somebody else signed.
  const passed = peers[random.below(peers.length)]
  if (passed && passed.kind !== 'corrupts') peers.push({ link: 10, kind: 'passes on', issuer: passed.issuer, text: passed.text })
  return peers
}

/** Loads a blob from such peers and, where it must, from the origin; ends when it matches. */
function load(random: Random, peers: readonly Peer[]): DrawnTrust {
  const blob = new DrawnTrust(pieceCount)
  const isBanned = ({ link, issuer }: Peer): boolean => blob.convicted.has(`peer ${link}`) || blob.convicted.has(issuer)
  for (let round = 0; round < 2000; round++) {
    if (random.next() < 0.1) {
      const peer = peers[random.below(peers.length)]
      if (peer && !isBanned(peer)) blob.tell(peer.link, blob.claim(peer.issuer, peer.text))
    }
    if (random.next() < 0.5) blob.settle()
    for (const peer of peers) if (blob.convicted.has(`peer ${peer.link}`)) blob.trust.close(peer.link)
    const missing = Array.from({ length: pieceCount }, (_, piece) => piece).filter((piece) => !blob.stored.has(piece))
    const piece = missing[random.below(Math.max(1, missing.length))]
    if (piece === undefined) {
      if (blob.bytes.every((letter) => letter === '.')) {
        blob.complete()
        return blob
      }
      blob.mismatch()
      continue
    }
    const peer = peers[random.below(peers.length)]
    if (blob.originOnly || random.next() < 0.2) blob.read(piece)
    else if (peer && !blob.convicted.has(`peer ${peer.link}`)) blob.give(peer.link, piece, letterOf(peer, piece))
  }
  return assert.fail('the blob never came to match')
}

describe('BlobTrust among drawn peers', () => {
  for (const liarPart of [0.3, 0.6]) {
    test(`with ${liarPart * 100} % liars loads the blob, convicts no honest peer, and keeps to the bound`, () => {
      fc.assert(
        fc.property(fc.nat(2 ** 31), (seed) => {
          const random = seededRandom(seed)
          const peers = drawPeers(random, liarPart)
          const blob = load(random, peers)
          const honest = new Set(peers.filter(({ kind }) => kind === 'honest' || kind === 'passes on').map(({ link }) => `peer ${link}`))
          for (const peerId of blob.convicted) assert.ok(!honest.has(peerId), `${peerId} is honest`)
          // Past the budget comes what was found by then at one stroke: at most the blob itself, once.
          assert.ok(blob.wastedBytes <= blob.trust.budget.maxBytes + blob.layout.sizeBytes, `${blob.wastedBytes} bytes`)
        }),
        fuzzRuns(10_000),
      )
    })
  }

  test('among trusted issuers of whom one lies, waste stays within the budget and one piece', () => {
    fc.assert(
      fc.property(fc.nat(2 ** 31), (seed) => {
        const random = seededRandom(seed)
        const peers = drawPeers(random, 0).map((peer, index): Peer => (index === 0 ? { ...peer, kind: 'corrupts' } : peer))
        const blob = load(random, peers)
        assert.ok(blob.wastedBytes <= blob.trust.budget.maxBytes + blob.pieceBytes)
        assert.deepEqual([...blob.convicted].filter((peerId) => peerId !== 'peer 0'), [])
      }),
      fuzzRuns(2000),
    )
  })
})
