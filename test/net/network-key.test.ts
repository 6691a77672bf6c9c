import assert from 'node:assert/strict'
import { Secret } from '../../src/core/secret.ts'
import { createSecretKey, randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { setImmediate } from 'node:timers/promises'
import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { tcp } from '@libp2p/tcp'
import { createLibp2p, type Libp2p } from 'libp2p'
import { describe, test } from 'vitest'
import {
  networkKeyEncrypter,
  networkKeyProtocol,
  parseNetworkKey,
} from '../../src/net/network-key.ts'
import { networkKeyProof, type ProofInit } from '../../src/net/network-key-proof.ts'
import { fakeClock } from '../../src/testing/fake-clock.ts'
import { addressesOf, dial, startImpostor } from './impostor.ts'
import { linkNodes, manyTurns, startNode, type TestNode } from './nodes.ts'

const key = randomBytes(32)

describe('parseNetworkKey', () => {
  test('reads 32 bytes, and 64 hex digits with a newline or without', () => {
    const hex = key.toString('hex')
    for (const form of [key, hex, `${hex}\n`, `${hex}\r\n`, hex.toUpperCase()]) {
      assert.deepEqual(Buffer.from(parseNetworkKey(form)), key)
    }
  })

  test('copies the bytes', () => {
    const bytes = Uint8Array.from(key)
    const parsed = parseNetworkKey(bytes)
    bytes.fill(0)
    assert.deepEqual(Buffer.from(parsed), key)
  })

  test('refuses anything else, says what would be right, and does not show it', () => {
    const hex = key.toString('hex')
    for (const wrong of [
      '',
      'secret',
      hex.slice(1),
      `${hex}0`,
      `${hex}\n\n`,
      ` ${hex}`,
      key.subarray(1),
      new Uint8Array(64),
    ]) {
      assert.throws(
        () => parseNetworkKey(wrong),
        (error: Error & { code?: string }) => {
          assert.equal(error.code, 'ERR_REQUEST_OPTION')
          assert.match(error.message, /openssl rand -hex 32/)
          return !error.message.includes(hex.slice(1))
        },
      )
    }
  })
})

test('the proofs are those of the specification', () => {
  const path = new URL('../../docs/spec/vectors/network-key.json', import.meta.url)
  const vector: Record<string, string> = JSON.parse(readFileSync(path, 'utf8'))
  const bytesOf = (name: string): Uint8Array => Buffer.from(vector[name] ?? '', 'hex')
  const secret = createSecretKey(bytesOf('key'))
  const context = {
    initiatorId: bytesOf('initiatorId'),
    responderId: bytesOf('responderId'),
    initiatorNonce: bytesOf('initiatorNonce'),
    responderNonce: bytesOf('responderNonce'),
  }
  for (const role of ['initiator', 'responder'] as const) {
    assert.equal(
      Buffer.from(networkKeyProof(secret, role, context)).toString('hex'),
      vector[`${role}Proof`],
    )
  }
})

describe('a closed network', () => {
  test('links nodes that have its key', async () => {
    await using first = await startNode({ networkKey: new Secret(key) })
    await using second = await startNode({ networkKey: new Secret(key) })
    await linkNodes(first, second)
    const [connection] = first.node.getConnections()
    assert.equal(connection?.encryption, networkKeyProtocol)
    assert.equal(connection?.multiplexer, '/yamux/1.0.0')
  })

  for (const [name, networkKey] of [
    ['another key', new Secret(randomBytes(32))],
    ['no key', undefined],
  ] as const) {
    test(`keeps out a node with ${name}, whoever dials`, async () => {
      await using member = await startNode({ networkKey: new Secret(key) })
      await using outsider = await startNode({ networkKey })
      await assertNoLink(member, outsider)
      await assertNoLink(outsider, member)
    })
  }

  test('offers nothing else to whoever reaches its port', async () => {
    await using member = await startNode({ networkKey: new Secret(key) })
    const port = Number(/tcp\/(\d+)/.exec(member.addresses[0] ?? '')?.[1])
    const socket = connect(port, '127.0.0.1')
    for (const line of [
      '/multistream/1.0.0',
      '/noise',
      '/plaintext/2.0.0',
      '/yamux/1.0.0',
      '/damselfly/control/1.0.0',
    ]) {
      socket.write(Buffer.concat([Buffer.of(line.length + 1), Buffer.from(`${line}\n`)]))
    }
    let answers = ''
    for await (const chunk of socket) {
      answers += String(chunk)
      if (answers.split('\n').length > 5) break
    }
    socket.destroy()
    assert.deepEqual(
      answers.split('\n').map((answer) => answer.slice(1)),
      ['/multistream/1.0.0', 'na', 'na', 'na', 'na', ''],
    )
    assert.equal(member.node.getConnections().length, 0)
  })
})

describe('an outsider who takes part in the exchange', () => {
  for (const side of ['dials', 'is dialled'] as const) {
    test(`${side} and sends back what it was sent is refused`, async () => {
      await using member = await startNode({ networkKey: new Secret(key) })
      const refused = Promise.withResolvers<void>()
      await using mirror = await startImpostor(async (wire) => {
        wire.send(await wire.read(32))
        wire.send(await wire.read(32))
        await wire.ended
        refused.resolve()
        throw new TypeError('refused')
      })
      await meet(side, mirror, member, 'refused')
      await refused.promise
      assert.deepEqual(member.log.opened, [])
    })

    test(`${side} and proves the key for another nonce is refused`, async () => {
      await using member = await startNode({ networkKey: new Secret(key) })
      const proofs: Uint8Array[] = []
      const nonce = randomBytes(32)
      const refused = Promise.withResolvers<void>()
      await using replayer = await startImpostor(async (wire, session) => {
        wire.send(nonce)
        proofs.push(proofOf(session, nonce, await wire.read(32)))
        wire.send(proofs[0] ?? nonce)
        await wire.read(32)
        if (proofs.length === 1) return
        await wire.ended
        refused.resolve()
        throw new TypeError('refused')
      })
      await meet(side, replayer, member, 'accepted')
      while (member.node.getConnections().length === 0) await setImmediate()
      for (const connection of member.node.getConnections())
        connection.abort(new TypeError('and once more'))
      while (replayer.getConnections().length > 0) await setImmediate()
      await meet(side, replayer, member, 'refused')
      await refused.promise
      assert.notDeepEqual(proofs[0], proofs[1])
    })
  }

  test('and passes everything on between two members is refused by both', async () => {
    await using first = await startNode({ networkKey: new Secret(key) })
    await using second = await startNode({ networkKey: new Secret(key) })
    const heard = { initiator: [later(), later()], responder: [later(), later()] }
    let refusals = 0
    await using relay = await startImpostor(async (wire, { role }) => {
      const others = heard[role === 'initiator' ? 'responder' : 'initiator']
      for (const [index, mine] of heard[role].entries()) {
        mine.resolve(await wire.read(32))
        wire.send((await others[index]?.promise) ?? key)
      }
      await wire.ended
      refusals++
      throw new TypeError('refused')
    })
    await Promise.all([
      meet('is dialled', relay, first, 'refused'),
      meet('dials', relay, second, 'refused'),
    ])
    assert.equal(refusals, 2)
    for (const { node } of [first, second]) assert.deepEqual(node.getConnections(), [])
  })

  test('and says nothing more has 10 s', async () => {
    const clock = fakeClock()
    const members = await createLibp2p({
      addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
      transports: [tcp()],
      connectionEncrypters: [networkKeyEncrypter(key, noise(), clock)],
      streamMuxers: [yamux()],
    })
    const greeted = later()
    let ended = false
    await using silent = await startImpostor(async (wire) => {
      greeted.resolve(await wire.read(32))
      await wire.ended
      ended = true
      throw new TypeError('refused')
    })
    const refused = assert.rejects(dial(silent, addressesOf(members)))
    await greeted.promise
    clock.advance(9_999)
    await manyTurns()
    assert.equal(ended, false)
    clock.advance(1)
    await refused
    assert.equal(clock.timerCount, 0)
    await members.stop()
  })
})

test('what comes in one message with the proof is not lost', async () => {
  await using member = await startNode({ networkKey: new Secret(key) })
  const nonce = randomBytes(32)
  const yamuxPing = Buffer.from('000200010000000000000007', 'hex')
  const yamuxPong = Buffer.from('000200020000000000000007', 'hex')
  const answer = later()
  await using peer = await startImpostor(async (wire, session) => {
    wire.send(nonce)
    wire.send(Buffer.concat([proofOf(session, nonce, await wire.read(32)), yamuxPing]))
    await wire.read(32)
    // The member's muxer pings too.
    answer.resolve(await wire.read(yamuxPing.byteLength + yamuxPong.byteLength))
  })
  await dial(peer, member.addresses)
  assert.ok(Buffer.from(await answer.promise).includes(yamuxPong))
})

function proofOf(
  { role, ids }: Pick<ProofInit, 'role' | 'ids'>,
  ours: Uint8Array,
  theirs: Uint8Array,
): Uint8Array {
  const context =
    role === 'initiator'
      ? {
          initiatorId: ids.ours,
          responderId: ids.theirs,
          initiatorNonce: ours,
          responderNonce: theirs,
        }
      : {
          initiatorId: ids.theirs,
          responderId: ids.ours,
          initiatorNonce: theirs,
          responderNonce: ours,
        }
  return networkKeyProof(createSecretKey(key), role, context)
}

/** An impostor and a member connect, whoever dials. */
async function meet(
  side: 'dials' | 'is dialled',
  impostor: Libp2p,
  member: TestNode,
  expected: 'accepted' | 'refused',
): Promise<void> {
  const dialled =
    side === 'dials' ? dial(impostor, member.addresses) : dial(member.node, addressesOf(impostor))
  await (expected === 'accepted' ? dialled : assert.rejects(dialled))
  if (expected === 'refused') while (member.node.getConnections().length > 0) await setImmediate()
}

async function assertNoLink(from: TestNode, to: TestNode): Promise<void> {
  await assert.rejects(from.host.dial({ peerId: to.peerId, addresses: to.addresses }), {
    code: 'ERR_PEER_UNREACHABLE',
  })
  await manyTurns()
  for (const { node, log } of [from, to]) {
    assert.deepEqual(node.getConnections(), [])
    assert.deepEqual(log.opened, [])
  }
}

function later(): PromiseWithResolvers<Uint8Array> {
  return Promise.withResolvers()
}
