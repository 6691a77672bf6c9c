import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

// From Node 24 on, V8 answers the external memory of network buffers with full collections: 55 for each gigabyte that
// a link receives, 2 on Node 22, for half of the receiver's time. A minor one every 16 MB prevents them and makes links
// 1.8 times as fast (test/bench/link.ts); on Node 22 it gains nothing.
const paced = Number(process.versions.node.split('.', 1)[0]) >= 24
const bytesBetween = 16_000_000

type Collect = (options: { type: 'minor' }) => void

let collect: Collect | undefined
let movedBytes = 0

/** Counts bytes that went over links, in or out; every 16 MB V8 collects what died young. */
export function countMovedBytes(bytes: number): void {
  if (!paced) return
  movedBytes += bytes
  if (movedBytes < bytesBetween) return
  movedBytes = 0
  collect ??= exposedCollect()
  collect({ type: 'minor' })
}

/** V8 puts `gc` into contexts that are made while the flag is set; ours stays without. */
function exposedCollect(): Collect {
  setFlagsFromString('--expose-gc')
  const gc: Collect = runInNewContext('gc')
  setFlagsFromString('--no-expose-gc')
  return gc
}
