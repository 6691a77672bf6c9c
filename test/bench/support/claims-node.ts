/** One of the two nodes of `test/bench/claims.ts`: `whole`, `reading` or `taker`. It is told by messages what to do, and ends with its parent. */
import { once } from 'node:events'
import { peers } from '../../../src/discovery/static-discovery.ts'
import type { Origin } from '../../../src/core/origin.ts'
import { hashBytes } from '../../../src/core/digest.ts'
import { SigningKey } from '../../../src/net/signing-key.ts'
import { memoryBackend } from '../../../src/store/memory-backend.ts'
import { PieceStore } from '../../../src/store/piece-store.ts'
import { createSwarm } from '../../../src/swarm/create-swarm.ts'
import { SessionClaims } from '../../../src/swarm/session-claims.ts'
import { seededContent } from '../../../src/testing/seeded-content.ts'
import type { ClaimMessage } from '../../../src/wire/messages.ts'

const [role = '', seed = '', size = '', stubbed = '', address = ''] = process.argv.slice(2)
const sizeBytes = Number(size)
const content = seededContent(Number(seed), sizeBytes)
if (stubbed === 'true') stubClaims()

const origin: Origin = {
  name: 'memory',
  read: async ({ offset, length } = { offset: 0, length: sizeBytes }) => ({
    sizeBytes,
    usedCredentials: false,
    chunks: (async function* () {
      const step = 64 * 1024
      for (let at = offset; at < offset + length; at += step) yield content.read({ offset: at, length: Math.min(step, offset + length - at) })
    })(),
  }),
}
const store = await PieceStore.open(memoryBackend())
const swarm = await createSwarm({
  network: { key: '07'.repeat(32) },
  store,
  listen: ['/ip4/127.0.0.1/tcp/0'],
  discovery: address ? [peers([address])] : [],
})
if (role === 'whole') {
  const bytes = content.read({ offset: 0, length: sizeBytes })
  await store.import({ digest: content.digest, size: sizeBytes, mediaType: 'application/octet-stream' }, (async function* () { yield bytes })())
}
const layer = { digest: content.digest, size: sizeBytes, ...(role === 'reading' && { origin }) }
process.send?.(swarm.addresses[0])
if (role !== 'whole') await once(process, 'message')
const cpuBefore = process.cpuUsage()
const startMs = performance.now()
if (role !== 'whole') await swarm.fetchLayer(layer)
const ms = performance.now() - startMs
if (role !== 'taker') await once(process, 'message')
const { user, system } = process.cpuUsage(cpuBefore)
process.send?.({ ms, cpuSeconds: (user + system) / 1e6 })
await once(process, 'disconnect')
process.exit()

/** The same messages of the same length, of which nobody signs, checks or weighs anything: the last hash that was told counts. */
function stubClaims(): void {
  const hashes = new WeakMap<SessionClaims, Uint8Array[]>()
  const told = (claims: SessionClaims): Uint8Array[] => {
    const list = hashes.get(claims) ?? []
    hashes.set(claims, list)
    return list
  }
  SigningKey.prototype.sign = () => new Uint8Array(64)
  Object.assign(SessionClaims.prototype, {
    receive(this: SessionClaims, _entry: unknown, { first, hashes: bytes }: ClaimMessage) {
      for (let at = 0; at < bytes.byteLength; at += hashBytes) told(this)[first + at / hashBytes] = bytes.subarray(at, at + hashBytes)
    },
    closed() {},
    expected(this: SessionClaims, _link: number, piece: number) {
      const hash = told(this)[piece]
      return hash && { hash, claim: undefined }
    },
    isProven: () => true,
    offerable: (pieces: Iterable<number>) => [...pieces],
    arrived: (_piece: number, _claim: unknown, stored: () => void) => stored(),
    originRead() {},
    dropped() {},
    completed() {},
  })
}
