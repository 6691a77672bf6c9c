import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { setImmediate } from 'node:timers/promises'
import { describe, test } from 'vitest'
import { fakeClock } from '../../src/testing/fake-clock.ts'
import type { ControlMessage } from '../../src/wire/messages.ts'
import { controlProtocol, limits } from '../../src/wire/protocol.ts'
import { linkNodes, manyTurns, plainHello, someDigest, startNode, type TestNode } from './nodes.ts'
import { RawPeer, RawStream } from './raw-peer.ts'

describe('a link', () => {
  test('is the same to both ends', async () => {
    await using first = await startNode()
    await using second = await startNode({
      hello: { supernode: true, location: { region: 'r', zone: 'z', rack: '9' } },
    })
    const { here, there } = await linkNodes(first, second)
    assert.deepEqual(here.hello, {
      ...plainHello,
      supernode: true,
      location: { region: 'r', zone: 'z', rack: '9' },
    })
    assert.deepEqual(there.hello, plainHello)
    assert.equal(here.peerId, second.peerId)
    assert.equal(there.peerId, first.peerId)
    assert.deepEqual(here.peerIdBytes, second.node.peerId.toMultihash().bytes)
    assert.deepEqual([here.inbound, there.inbound], [false, true])
    assert.equal(here.remoteAddress, second.addresses[0])
    assert.deepEqual([...first.host.links()], [here])
  })

  test('carries control messages whole and in order', async () => {
    await using first = await startNode()
    await using second = await startNode()
    const { here } = await linkNodes(first, second)
    const sent: ControlMessage[] = Array.from({ length: 2000 }, (_, index) => ({
      type: 'have',
      digest: someDigest(),
      pieces: Array.from({ length: (index * 7) % 300 }, (_, piece) => piece),
    }))
    for (const message of sent) here.send(message)
    await second.log.until((log) => log.messages.length === sent.length)
    assert.deepEqual(second.log.messages, sent)
  })

  test('is closed at both ends once either closes it', async () => {
    await using first = await startNode()
    await using second = await startNode()
    const { here, there } = await linkNodes(first, second)
    there.close()
    await first.log.until((log) => log.closed.length === 1)
    assert.deepEqual(first.log.closed, [{ link: here, error: undefined }])
    assert.deepEqual(second.log.closed, [{ link: there, error: undefined }])
    assert.equal(here.closed, true)
    assert.equal(first.host.get(second.peerId), undefined)
    here.send({ type: 'join', topic: someDigest(), asks: true })
    const again = await linkNodes(first, second)
    assert.notEqual(again.here, here)
  })

  test('ends when the connection breaks', async () => {
    await using first = await startNode()
    await using second = await startNode()
    await linkNodes(first, second)
    for (const connection of second.node.getConnections())
      connection.abort(new TypeError('cable pulled'))
    await first.log.until((log) => log.closed.length === 1)
    await second.log.until((log) => log.closed.length === 1)
  })

  test('whose peer leaves 4 MiB of messages unread is closed', async () => {
    await using node = await startNode()
    await using peer = await RawPeer.start()
    const control = await peer.link(node)
    control.stream.pause()
    const link = node.host.get(peer.peerId)
    const message: ControlMessage = {
      type: 'inline',
      digest: someDigest(),
      bytes: randomBytes(33),
    }
    let sentBytes = 0
    while (link && !link.closed) {
      for (let index = 0; index < 1000; index++, sentBytes += 70) link.send(message)
      await setImmediate()
    }
    assert.equal(node.log.closed[0]?.error?.code, 'ERR_PEER_STALL')
    assert.ok(sentBytes > 4 * 1024 * 1024)
    assert.ok(sentBytes < 6 * 1024 * 1024, `${sentBytes} bytes were kept for it`)
  })
})

describe('a dial', () => {
  test('of a linked peer gives the open link', async () => {
    await using first = await startNode()
    await using second = await startNode()
    const { here, there } = await linkNodes(first, second)
    assert.equal(await first.host.dial({ peerId: second.peerId, addresses: [] }), here)
    assert.equal(await second.host.dial({ peerId: first.peerId, addresses: [] }), there)
  })

  test('by address alone finds out who answers, and keeps one connection', async () => {
    await using first = await startNode()
    await using second = await startNode()
    const addresses = second.addresses.map((address) => address.replace(/\/p2p\/.*/, ''))
    const link = await first.host.dial({ addresses })
    assert.equal(link.peerId, second.peerId)
    assert.equal(await first.host.dial({ addresses }), link)
    while (first.node.getConnections().length > 1) await setImmediate()
    assert.equal(link.closed, false)
  })

  test('takes a new connection when the open one has begun to close', async () => {
    await using first = await startNode()
    await using second = await startNode()
    const old = await first.node.dial(second.node.getMultiaddrs())
    const closed = old.close()
    assert.equal(old.status, 'open')
    const link = await first.host.dial(second)
    assert.equal(link.closed, false)
    await closed
    await manyTurns()
    assert.equal(link.closed, false)
  })

  test('is shared by those who want the same node', async () => {
    await using first = await startNode()
    await using second = await startNode()
    const target = { peerId: second.peerId, addresses: second.addresses }
    const abandoned = new AbortController()
    const dials = [
      first.host.dial(target),
      first.host.dial(target, { signal: abandoned.signal }),
      first.host.dial(target),
    ]
    abandoned.abort()
    const [one, none, other] = await Promise.allSettled(dials)
    assert.deepEqual(none, { status: 'rejected', reason: abandoned.signal.reason })
    assert.equal(one?.status, 'fulfilled')
    assert.deepEqual(one, other)
    await second.log.until((log) => log.opened.length > 0)
    assert.equal(first.log.opened.length, 1)
    assert.equal(second.log.opened.length, 1)
  })

  test('that all have abandoned ends', async () => {
    await using node = await startNode()
    await using silent = await RawPeer.start()
    const opened = Promise.withResolvers<RawStream>()
    await silent.node.handle(controlProtocol, (stream) => opened.resolve(new RawStream(stream)))
    const abandoned = new AbortController()
    const dialled = node.host.dial(
      { peerId: silent.peerId, addresses: silent.addresses },
      { signal: abandoned.signal },
    )
    const control = await opened.promise
    abandoned.abort()
    await assert.rejects(dialled, (error) => error === abandoned.signal.reason)
    await control.ended
    while (node.node.getConnections().length > 0) await setImmediate()
  })

  test('of a node that does not speak our protocol fails and leaves no connection', async () => {
    await using node = await startNode()
    await using stranger = await RawPeer.start()
    await assert.rejects(
      node.host.dial({ peerId: stranger.peerId, addresses: stranger.addresses }),
      {
        name: 'PeerError',
        code: 'ERR_PEER_PROTOCOL',
      },
    )
    while (node.node.getConnections().length > 0) await setImmediate()
  })

  test('of nobody fails', async () => {
    await using node = await startNode()
    const gone = await startNode()
    await gone[Symbol.asyncDispose]()
    const unreachable = { name: 'PeerError', code: 'ERR_PEER_UNREACHABLE' }
    await assert.rejects(
      node.host.dial({ peerId: gone.peerId, addresses: gone.addresses }),
      unreachable,
    )
    await assert.rejects(node.host.dial({ addresses: ['/ip4/127.0.0.1'] }), unreachable)
    await assert.rejects(node.host.dial({ addresses: ['no multiaddr'] }), unreachable)
    await assert.rejects(node.host.dial({ addresses: [] }), unreachable)
    await assert.rejects(
      node.host.dial({ peerId: node.peerId, addresses: node.addresses }),
      unreachable,
    )
  })

  test('finds somebody else at the address of a peer, and fails', async () => {
    await using node = await startNode()
    await using other = await startNode()
    await using wanted = await startNode()
    const addresses = other.addresses.map((address) => address.replace(/\/p2p\/.*/, ''))
    await assert.rejects(node.host.dial({ peerId: wanted.peerId, addresses }), {
      code: 'ERR_PEER_UNREACHABLE',
    })
    assert.deepEqual(other.log.opened, [])
  })

  test('is refused with an aborted signal, and after the host stopped', async () => {
    await using first = await startNode()
    await using second = await startNode()
    const target = { peerId: second.peerId, addresses: second.addresses }
    const signal = AbortSignal.abort()
    await assert.rejects(first.host.dial(target, { signal }), (error) => error === signal.reason)
    await first.host.stop()
    await assert.rejects(first.host.dial(target), { code: 'ERR_PEER_UNREACHABLE' })
  })
})

describe('of two nodes that dial each other at once', () => {
  test('each keeps one link, and it is the same', async () => {
    await using first = await startNode()
    await using second = await startNode()
    for (let round = 0; round < 20; round++) {
      const links = await Promise.all([
        first.host.dial({ peerId: second.peerId, addresses: second.addresses }),
        second.host.dial({ peerId: first.peerId, addresses: first.addresses }),
      ])
      await manyTurns()
      assert.deepEqual(
        links.map((link) => link.closed),
        [false, false],
      )
      assert.deepEqual(
        [[...first.host.links()], [...second.host.links()]],
        links.map((link) => [link]),
      )
      assert.notEqual(links[0]?.inbound, links[1]?.inbound)
      const topic = someDigest()
      for (const link of links) link.send({ type: 'join', topic, asks: true })
      for (const { log } of [first, second]) {
        await log.until(({ messages }) =>
          messages.some((message) => message.type === 'join' && message.topic === topic),
        )
      }
      links[0]?.close()
      await second.log.until((log) => log.closed.length === log.opened.length)
    }
    assert.equal(first.log.opened.length, 20)
    assert.equal(second.log.opened.length, 20)
  })

  test('the one whose id sorts first does not answer while its own stream may make it', async () => {
    await using pair = await sortedPair()
    const { node, peer } = pair
    const { control: ours, dialled } = await dialSilently(node, peer)
    const theirs = await peer.openControl(node)
    theirs.send(plainHello)
    await manyTurns()
    assert.equal(theirs.receivedBytes, 0)
    ours.send(plainHello)
    const link = await dialled
    assert.equal(link.inbound, false)
    await theirs.ended
    assert.deepEqual([...node.host.links()], [link])
  })

  test('and takes the other stream when its own fails', async () => {
    await using pair = await sortedPair()
    const { node, peer } = pair
    const { control: ours, dialled } = await dialSilently(node, peer)
    const theirs = await peer.openControl(node)
    theirs.send(plainHello)
    ours.reset()
    const link = await dialled
    assert.equal(link.inbound, true)
    assert.deepEqual(await theirs.firstMessage, plainHello)
  })

  test('the other one answers and drops its own stream', async () => {
    await using pair = await sortedPair('peer first')
    const { node, peer } = pair
    const { control: ours, dialled } = await dialSilently(node, peer)
    const theirs = await peer.link(node)
    assert.equal((await dialled).inbound, true)
    await ours.ended
    assert.equal(theirs.stream.status, 'open')
  })
})

describe('a peer that opens another control stream', () => {
  test('has lost the link: the new one takes its place', async () => {
    await using node = await startNode()
    await using peer = await RawPeer.start()
    const before = await peer.link(node)
    const [link] = node.host.links()
    const after = await peer.link(node)
    await node.log.until((log) => log.opened.length === 2)
    await before.ended
    assert.equal(link?.closed, true)
    assert.deepEqual(
      node.log.closed.map((closed) => closed.link),
      [link],
    )
    assert.deepEqual([...node.host.links()], [node.log.opened[1]])
    assert.equal(after.stream.status, 'open')
  })

  test('after ours has been open for 10 s has lost that one too', async () => {
    const clock = fakeClock()
    await using pair = await sortedPair('node first', { clock })
    const { node, peer } = pair
    const { control, dialled } = await dialSilently(node, peer)
    control.send(plainHello)
    const link = await dialled
    const early = await peer.openControl(node)
    await early.ended
    assert.equal(link.closed, false)
    clock.advance(limits.greetingMs)
    const late = await peer.openControl(node)
    late.send(plainHello)
    await node.log.until((log) => log.opened.length === 2)
    assert.equal(link.closed, true)
  })
})

describe('greeting', () => {
  test('takes 10 s at most, whoever opened the stream', async () => {
    const clock = fakeClock()
    await using node = await startNode({ clock })
    await using peer = await RawPeer.start()
    const theirs = await peer.openControl(node)
    assert.deepEqual(await theirs.firstMessage, plainHello)
    clock.advance(limits.greetingMs - 1)
    await manyTurns()
    assert.equal(theirs.stream.status, 'open')
    clock.advance(1)
    await theirs.ended
    const { control, dialled } = await dialSilently(node, peer)
    const refused = assert.rejects(dialled, { code: 'ERR_PEER_UNREACHABLE' })
    clock.advance(limits.greetingMs)
    await refused
    await control.ended
    assert.deepEqual(node.log.opened, [])
    assert.equal(clock.timerCount, 0)
  })

  test('with another version ends the link', async () => {
    await using node = await startNode()
    await using peer = await RawPeer.start()
    const { control, dialled } = await dialSilently(node, peer)
    control.send({ ...plainHello, version: 2 })
    await assert.rejects(dialled, { code: 'ERR_PEER_PROTOCOL' })
    await control.ended
  })

  test('begins with hello', async () => {
    await using node = await startNode()
    await using peer = await RawPeer.start()
    const control = await peer.openControl(node)
    control.send({ type: 'join', topic: someDigest(), asks: true })
    control.send(plainHello)
    await control.ended
    assert.deepEqual(node.log.opened, [])
  })

  test('may bring more messages in the same bytes', async () => {
    await using node = await startNode()
    await using peer = await RawPeer.start()
    const control = await peer.openControl(node)
    const topic = someDigest()
    control.send(plainHello)
    control.send({ type: 'join', topic, asks: true })
    await node.log.until((log) => log.messages.length === 1)
    assert.deepEqual(node.log.messages, [{ type: 'join', topic, asks: true }])
  })
})

describe('a peer that breaks the protocol on its control stream', () => {
  const crimes: [string, (control: RawStream) => void][] = [
    ['says hello twice', (control) => control.send(plainHello)],
    [
      'asks for a piece there',
      (control) => control.send({ type: 'request', digest: someDigest(), piece: 0 }),
    ],
    [
      'announces a frame of 16 MiB',
      (control) => control.send(Uint8Array.of(0x02, 0xff, 0xff, 0xff)),
    ],
    ['cuts a payload short', (control) => control.send(Uint8Array.of(0x02, 0, 0, 1, 0))],
    ['sends noise', (control) => control.send(randomBytes(65_536).fill(0x7f, 0, 1))],
  ]
  for (const [name, commit] of crimes) {
    test(`${name}: the link ends`, async () => {
      await using node = await startNode()
      await using peer = await RawPeer.start()
      const control = await peer.link(node)
      commit(control)
      await control.ended
      assert.equal(node.log.closed[0]?.error?.code, 'ERR_PEER_PROTOCOL')
      assert.deepEqual([...node.host.links()], [])
    })
  }
})

describe('a full node', () => {
  test('opens no more links and accepts none, but a peer may replace its own', async () => {
    await using node = await startNode({ maxLinks: 1 })
    await using peer = await RawPeer.start()
    await using other = await startNode()
    await peer.link(node)
    await assert.rejects(node.host.dial({ addresses: other.addresses }), { code: 'ERR_PEER_LIMIT' })
    await assert.rejects(other.host.dial({ addresses: node.addresses }), {
      code: 'ERR_PEER_UNREACHABLE',
    })
    await peer.link(node)
    await node.log.until((log) => log.opened.length === 2)
    assert.equal([...node.host.links()].length, 1)
  })
})

test('of two peers that greet at once, a node with room for one takes the first', async () => {
  await using node = await startNode({ maxLinks: 1 })
  await using one = await RawPeer.start()
  await using other = await RawPeer.start()
  const controls = [await one.openControl(node), await other.openControl(node)] as const
  for (const control of controls) await control.firstMessage
  controls[0].send(plainHello)
  await node.log.until((log) => log.opened.length === 1)
  controls[1].send(plainHello)
  await controls[1].ended
  assert.deepEqual(
    [...node.host.links()].map((link) => link.peerId),
    [one.peerId],
  )
})

describe('a host that stops', () => {
  test('closes its links and dials, and leaves nothing open', async () => {
    const clock = fakeClock()
    const before = sockets()
    {
      await using first = await startNode({ clock })
      await using second = await startNode({ clock })
      await using silent = await RawPeer.start()
      const { here } = await linkNodes(first, second)
      const { control, dialled } = await dialSilently(first, silent)
      const refused = assert.rejects(dialled, { code: 'ERR_PEER_UNREACHABLE' })
      await first.host.stop()
      await first.host.stop()
      await refused
      assert.equal(here.closed, true)
      await control.ended
      await second.log.until((log) => log.closed.length === 1)
      const protocols = first.node
        .getConnections()
        .flatMap(({ streams }) => streams.map((stream) => stream.protocol))
      assert.deepEqual(protocols, [])
      await assert.rejects(second.host.dial({ peerId: first.peerId, addresses: first.addresses }), {
        code: 'ERR_PEER_PROTOCOL',
      })
    }
    while (sockets() > before) await setImmediate()
    assert.equal(clock.timerCount, 0)
  })
})

function sockets(): number {
  return process.getActiveResourcesInfo().filter((name) => name.startsWith('TCP')).length
}

/** A dial that reached a peer, which says nothing yet. */
async function dialSilently(
  node: TestNode,
  peer: RawPeer,
): Promise<{ control: RawStream; dialled: ReturnType<TestNode['host']['dial']> }> {
  const opened = Promise.withResolvers<RawStream>()
  await peer.node.handle(controlProtocol, (stream) => opened.resolve(new RawStream(stream)), {
    force: true,
  })
  const dialled = node.host.dial({ peerId: peer.peerId, addresses: peer.addresses })
  dialled.catch(opened.reject)
  return { control: await opened.promise, dialled }
}

/** A node and a raw peer whose ids sort as wanted. */
async function sortedPair(
  order: 'node first' | 'peer first' = 'node first',
  options: Parameters<typeof startNode>[0] = {},
): Promise<AsyncDisposable & { node: TestNode; peer: RawPeer }> {
  const stack = new AsyncDisposableStack()
  const node = stack.use(await startNode(options))
  for (;;) {
    const peer = stack.use(await RawPeer.start())
    const compared = Buffer.compare(
      node.node.peerId.toMultihash().bytes,
      peer.node.peerId.toMultihash().bytes,
    )
    if (compared < 0 === (order === 'node first')) {
      return { node, peer, [Symbol.asyncDispose]: () => stack.disposeAsync() }
    }
  }
}
