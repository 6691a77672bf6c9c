/**
 * A node with a mirror, in a process of its own: `node mirror-node.ts ADDRESS STORE REGISTRY [FILE]`. It imports the file first; prints a line when it
 * is ready, and ends with its parent.
 */
import { createSwarm } from '../../../src/swarm/create-swarm.ts'
import { fsBackend } from '../../../src/store/fs-backend.ts'
import { PieceStore } from '../../../src/store/piece-store.ts'
import { RegistryMirror } from '../../../src/mirror/registry-mirror.ts'

const [listen = '', directory = '', registry = '', file] = process.argv.slice(2)
const store = await PieceStore.open(fsBackend(directory))
if (file !== undefined) {
  const { digest } = await store.importFile(file)
  // So that what is measured is not the one reading that makes sure of a blob before it is first served.
  for await (const chunk of store.stream(digest)) void chunk
}
const swarm = await createSwarm({ store, listen: [], discovery: [] })
const mirror = new RegistryMirror(swarm, { listen, upstreams: { [registry]: { insecure: true } }, credentials: 'anonymous' })
await mirror.start()
console.log('ready')
process.stdin.resume()
process.stdin.once('end', () => process.exit())
