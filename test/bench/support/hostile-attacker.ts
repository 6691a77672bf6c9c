/**
 * Everybody who attacks in `test/bench/hostile.ts`: frames, numbers and streams that break the protocol, answers that trickle, stop or go on, streams
 * that nobody reads, sockets that never speak. All of it goes on until the process ends, at a pace that leaves others some of the machine.
 */
import { on } from 'node:events'
import { connect } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { seededContent } from '../../../src/testing/seeded-content.ts'
import { encodeFrame } from '../../../src/wire/codec.ts'
import { pieceProtocol } from '../../../src/wire/protocol.ts'
import { dataFrame } from '../../net/raw-muxer.ts'
import { RawStream } from '../../net/raw-peer.ts'
import { Attacker } from './attacker.ts'
import type { FromAttacker, HostilePeerSetup, ToPeer } from './hostile-messages.ts'
import { runWorker } from './worker.ts'

const sockets = 500
const silentReaders = 8

await runWorker<HostilePeerSetup, FromAttacker>(async ({ addresses, seed, sizeBytes, only }, { tell, released }) => {
  const orders = on(process, 'message', { close: ['disconnect'] }) as AsyncIterable<[ToPeer]>
  process.on('uncaughtException', () => {})
  process.on('unhandledRejection', () => {})
  const acts: Record<string, number> = {}
  const { digest } = seededContent(seed, sizeBytes)

  /** Does the same again and again, each time as somebody new. */
  const isWanted = (name: string): boolean => only === undefined || only.some((prefix) => name.startsWith(prefix))
  const keepOn = async (name: string, everyMs: number, act: (peer: Attacker) => Promise<void>): Promise<void> => {
    if (!isWanted(name)) return
    acts[name] ??= 0
    while (!released.aborted) {
      const peer = await Attacker.start(addresses)
      acts[name] = (acts[name] ?? 0) + 1
      try {
        await act(peer)
      } catch {
        // It was thrown out.
      }
      await peer.stop()
      await pause(everyMs)
    }
  }

  const badFrames: Record<string, Uint8Array> = {
    'B8 frame of 2^24': Buffer.from([0x06, 0xff, 0xff, 0xff]),
    'B8 number of 11 bytes': Buffer.concat([Buffer.from([0x02, 0, 0, 43]), Buffer.alloc(32), Buffer.alloc(11, 0xff)]),
    'B9 count of a million': Buffer.concat([Buffer.from([0x06, 0, 0x40, 0]), Buffer.alloc(32), Buffer.from([0xc0, 0x84, 0x3d]), Buffer.alloc(0x4000 - 35)]),
    'B11 piece 2^53': Buffer.concat([Buffer.from([0x06, 0, 0, 41]), Buffer.alloc(32), Buffer.from([1]), Buffer.alloc(7, 0xff), Buffer.from([0x1f])]),
  }
  for (const [name, frame] of Object.entries(badFrames)) {
    void keepOn(name, 500, async (peer) => {
      const control = await peer.link()
      control.send(frame)
      await control.ended
    })
  }
  void keepOn('B8 muxer frame of 2 GiB', 500, async (peer) => {
    const control = await peer.link()
    peer.muxer.frame({ type: dataFrame, flag: 0, streamID: 1, length: 2 ** 31 - 1 }, Buffer.alloc(60_000))
    await control.ended
  })
  void keepOn('B9 frames full of elements', 500, async (peer) => {
    const control = await peer.link()
    const pieces = Array.from({ length: 4096 }, (_, piece) => piece)
    for (let count = 0; count < 200 && control.stream.status === 'open'; count++) {
      control.send({ type: 'have', digest, pieces })
      await pause(5)
    }
  })
  void keepOn('B10 more than was asked', 500, (peer) => peer.pretend((bytes) => [encodeFrame({ type: 'piece', sizeBytes: bytes }), Buffer.alloc(bytes + 100_000)]))
  void keepOn('B10 what nobody asked', 500, async (peer) => {
    const control = await peer.link()
    const data = new RawStream(await peer.connection.newStream(pieceProtocol))
    data.send(encodeFrame({ type: 'piece', sizeBytes: 1000 }))
    await control.ended
  })
  void keepOn('B12 a byte a second', 0, (peer) => peer.pretend((bytes) => [encodeFrame({ type: 'piece', sizeBytes: bytes })], 1000))
  void keepOn('B13 99 percent', 0, (peer) =>
    peer.pretend((bytes) => [encodeFrame({ type: 'piece', sizeBytes: bytes }), Buffer.alloc(Math.floor(bytes * 0.99))], 60_000),
  )
  void keepOn('B14 a thousand streams', 500, async (peer) => {
    const control = await peer.link()
    for (let count = 0; count < 1000; count++) peer.muxer.open()
    await control.ended
  })
  void keepOn('B14 streams opened and reset', 500, async (peer) => {
    const control = await peer.link()
    while (control.stream.status === 'open') {
      for (let count = 0; count < 10; count++) peer.muxer.reset(peer.muxer.open())
      await pause(50)
    }
  })
  for (let reader = 0; reader < silentReaders; reader++) {
    void keepOn('B15 reads nothing', 1000, async (peer) => {
      const control = await peer.link()
      for (let stream = 0; stream < 4; stream++) {
        const data = new RawStream(await peer.connection.newStream(pieceProtocol))
        data.stream.pause()
        data.send({ type: 'request', digest, piece: stream })
      }
      await control.ended
    })
  }
  const port = Number(/\/tcp\/(\d+)/.exec(addresses[0] ?? '')?.[1])
  const openSocket = (): void => {
    const socket = connect({ port, host: '127.0.0.1' })
    socket.on('error', () => {})
    socket.on('connect', () => {
      acts['B16 socket that never speaks'] = (acts['B16 socket that never speaks'] ?? 0) + 1
    })
    socket.on('close', () => {
      if (!released.aborted) setTimeout(openSocket, 1000)
    })
  }
  for (let socket = 0; isWanted('B16') && socket < sockets; socket++) openSocket()

  tell({ type: 'ready' })
  for await (const _ of orders) {
    const { user, system } = process.cpuUsage()
    tell({ type: 'count', acts, cpuSeconds: (user + system) / 1e6 })
  }
  process.exit()
})
