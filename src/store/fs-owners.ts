import { randomUUID } from 'node:crypto'
import { readdir, readFile, readlink, rm, stat, utimes } from 'node:fs/promises'
import { unlessAbsent } from './fs-error.ts'
import { replaceFile } from './fs-io.ts'
import type { StoreDirectory } from './fs-directory.ts'

/**
 * What is known of whoever writes in a directory.
 *
 * - `alive`: it may be writing now
 * - `dead`: for certain it holds no file open any more: its process is gone, or it said so
 * - `silent`: it has not been heard of, but may only be paused, or run on another machine
 */
export type OwnerState = 'alive' | 'dead' | 'silent'

const heartbeatMs = 10_000
const silentAfterMs = 60_000
/** What an owner's file says once it has closed all that it wrote to. */
const leftMark = '{"left":true}'

/** Tells one process from all others; empty strings where the system does not say. */
export interface ProcessIdentity {
  readonly pid: number
  /** When the process began, in clock ticks since boot: the pid may be another's by now. */
  readonly startTicks: string
  readonly bootId: string
  readonly pidNamespace: string
}

/** Who writes in a directory: one small file each, `owners/<id>.json`, touched as long as its owner lives. */
export class Owners {
  readonly ownId: string = randomUUID()
  readonly #root: StoreDirectory
  #identity: ProcessIdentity | undefined
  #cancelHeartbeat: (() => void) | undefined

  constructor(root: StoreDirectory) {
    this.#root = root
  }

  /** Tells other processes of us. */
  async join(): Promise<void> {
    this.#identity = await readIdentity()
    await this.#root.make('owners')
    await replaceFile(this.#path(this.ownId), Buffer.from(JSON.stringify(this.#identity)))
    this.#scheduleHeartbeat()
  }

  /**
   * Tells other processes that we write no more.
   * @param partsLeft - some of what is ours stays behind, and may be taken over
   */
  async leave(partsLeft: boolean): Promise<void> {
    this.#cancelHeartbeat?.()
    this.#cancelHeartbeat = undefined
    if (partsLeft) await replaceFile(this.#path(this.ownId), Buffer.from(leftMark))
    else await this.forget(this.ownId)
  }

  async stateOf(id: string): Promise<OwnerState> {
    if (id === this.ownId) return 'alive'
    const path = this.#path(id)
    const [text, found] = await Promise.all([
      unlessAbsent(readFile(path, 'utf8')),
      unlessAbsent(stat(path)),
    ])
    if (text === undefined || !found) return 'silent'
    if (text === leftMark) return 'dead'
    const proven = await this.#isRunning(parseIdentity(text))
    if (proven !== undefined) return proven ? 'alive' : 'dead'
    return Math.abs(this.#root.clock.wallMs() - found.mtimeMs) > silentAfterMs ? 'silent' : 'alive'
  }

  async list(): Promise<string[]> {
    const names = await readdir(this.#root.join('owners'))
    return names
      .filter((name) => /^[0-9a-f-]{36}\.json$/.test(name))
      .map((name) => name.slice(0, 36))
  }

  /** Removes what is left of an owner that has left nothing else. */
  async forget(id: string): Promise<void> {
    await rm(this.#path(id), { force: true })
  }

  /** Whether another's process runs; `undefined` where that cannot be known from here. */
  async #isRunning(other: ProcessIdentity | undefined): Promise<boolean | undefined> {
    const self = this.#identity
    if (!self?.bootId || !self.pidNamespace) return undefined
    if (other?.bootId !== self.bootId || other.pidNamespace !== self.pidNamespace) return undefined
    return (await startTicksOf(other.pid)) === other.startTicks
  }

  #scheduleHeartbeat(): void {
    const { clock, logger } = this.#root
    this.#cancelHeartbeat = clock.after(heartbeatMs, () => {
      const now = clock.wallMs() / 1000
      // Without it others at worst copy what we write; they never write to it.
      utimes(this.#path(this.ownId), now, now).catch((error: unknown) => {
        logger.warn('the store could not be marked as in use', { error })
      })
      this.#scheduleHeartbeat()
    })
  }

  #path(id: string): string {
    return this.#root.join('owners', `${id}.json`)
  }
}

async function readIdentity(): Promise<ProcessIdentity> {
  return {
    pid: process.pid,
    startTicks: await startTicksOf(process.pid),
    bootId: (await readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => '')).trim(),
    pidNamespace: await readlink('/proc/self/ns/pid').catch(() => ''),
  }
}

/** Field 22 of /proc/pid/stat (proc(5)); the second one is in brackets and may have spaces. */
async function startTicksOf(pid: number): Promise<string> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
  return text.slice(text.lastIndexOf(')') + 2).split(' ')[19] ?? ''
}

/** Reads what an owner wrote of itself; `undefined` when it is not in the one form in which owners write. */
export function parseIdentity(text: string): ProcessIdentity | undefined {
  const pattern =
    /^\{"pid":(\d{1,10}),"startTicks":"(\d{0,20})","bootId":"([0-9a-f-]{0,36})","pidNamespace":"(pid:\[\d{1,20}\]|)"\}$/
  const [, pid, startTicks, bootId, pidNamespace] = pattern.exec(text) ?? []
  if (
    pid === undefined ||
    startTicks === undefined ||
    bootId === undefined ||
    pidNamespace === undefined
  ) {
    return undefined
  }
  return { pid: Number(pid), startTicks, bootId, pidNamespace }
}
