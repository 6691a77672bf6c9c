import { createSocket } from 'node:dgram'
import { once } from 'node:events'

const group = '224.0.0.251'
const answerTimeoutMs = 2000

/** A UDP port that nothing uses now. */
export async function freeUdpPort(): Promise<number> {
  const socket = createSocket('udp4').bind(0)
  await once(socket, 'listening')
  const { port } = socket.address()
  await closed(socket)
  return port
}

/** Why multicast does not get through on this machine; `undefined` where it does. */
export async function noMulticastBecause(): Promise<string | undefined> {
  const socket = createSocket({ type: 'udp4', reuseAddr: true })
  try {
    socket.bind(0)
    await once(socket, 'listening')
    socket.addMembership(group)
    socket.setMulticastLoopback(true)
    const heard = once(socket, 'message', { signal: AbortSignal.timeout(answerTimeoutMs) })
    socket.send('ping', socket.address().port, group)
    await heard
    return undefined
  } catch (error) {
    return String(error)
  } finally {
    await closed(socket)
  }
}

function closed(socket: ReturnType<typeof createSocket>): Promise<void> {
  return new Promise((resolve) => socket.close(() => resolve()))
}
