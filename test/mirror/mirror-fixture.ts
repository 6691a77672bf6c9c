import { connect } from 'node:net'
import { RegistryMirror, type RegistryMirrorOptions } from '../../src/mirror/registry-mirror.ts'
import type { SwarmOptions } from '../../src/swarm/swarm-init.ts'
import type { Swarm } from '../../src/swarm/swarm.ts'
import type { EmbeddedOrigin } from '../../src/testing/embedded-origin.ts'
import { TestNodes } from '../support/nodes.ts'

export const registry = 'reg.example'

/** A node with a mirror before it, both of which end with the test. */
export async function mirrorOf(
  nodes: TestNodes,
  origin: Pick<EmbeddedOrigin, 'url'>,
  options: { swarm?: Swarm; node?: SwarmOptions; mirror?: Partial<RegistryMirrorOptions> } = {},
): Promise<{ mirror: RegistryMirror; swarm: Swarm }> {
  const swarm = options.swarm ?? (await nodes.start([], options.node))
  const mirror = nodes.use(
    new RegistryMirror(swarm, {
      upstreams: { [registry]: { url: origin.url, insecure: true } },
      listen: '127.0.0.1:0',
      credentials: 'anonymous',
      ...options.mirror,
    }),
  )
  await mirror.start()
  return { mirror, swarm }
}

/** What a server says to bytes that no HTTP library would send, until it closes the connection or `enough` of an answer is here. */
export async function rawExchange(url: string, bytes: string | Uint8Array, enough: (answer: string) => boolean = () => false): Promise<string> {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname.replace(/^\[|\]$/g, ''))
  let answer = ''
  socket.on('error', () => {})
  socket.on('data', (chunk) => {
    answer += chunk.toString('latin1')
    if (enough(answer)) socket.destroy()
  })
  const closed = new Promise((resolve) => socket.once('close', resolve))
  socket.write(bytes)
  await closed
  return answer
}

export function statusOf(answer: string): number {
  return Number(/^HTTP\/1\.1 (\d{3})/.exec(answer)?.[1])
}
