import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import type { Readable } from 'node:stream'
import { start } from '../net/commands.ts'
import type { BlobFile } from '../net/registry.ts'
import type { MirrorNodeReady, MirrorNodeSetup } from './mirror-node.ts'

/** Of the blobs that benches of the mirror serve. */
export const repository = 'bench/blob'

/** A node with a mirror, in a process of its own. */
export interface MirrorProcess extends AsyncDisposable {
  readonly pid: number
  /** `127.0.0.1:5001` */
  readonly host: string
  /** Of its node. */
  readonly addresses: readonly string[]
  readonly hasEnded: boolean
}

export async function startMirror(setup: MirrorNodeSetup, namespace?: string): Promise<MirrorProcess> {
  const script = new URL('mirror-node.ts', import.meta.url).pathname
  const child = start({ program: process.execPath, args: [script, JSON.stringify(setup)], namespace }, ['pipe', 'pipe', 'inherit'])
  const [line] = await once(child.stdout as Readable, 'data')
  const { addresses }: MirrorNodeReady = JSON.parse(String(line))
  return {
    pid: child.pid ?? 0,
    host: setup.listen,
    addresses,
    get hasEnded() {
      return hasEnded(child)
    },
    ...untilKilled(child),
  }
}

/** Kills a process when it is disposed of. */
export function untilKilled(child: ChildProcess): AsyncDisposable {
  return {
    async [Symbol.asyncDispose]() {
      if (hasEnded(child)) return
      const ended = once(child, 'exit')
      child.kill('SIGKILL')
      await ended
    },
  }
}

/** Where a registry or a mirror at `host` has a blob. */
export function blobUrl(host: string, { digest }: BlobFile): string {
  return `http://${host}/v2/${repository}/blobs/${digest}`
}

function hasEnded({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null
}
