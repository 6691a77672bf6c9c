import { randomBytes } from 'node:crypto'
import { mkdir, open, readFile, rename, stat, unlink } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { Clock } from '../core/clock.ts'
import type { Logger } from '../core/log.ts'
import { maxBanMs, type BanList, type BanReason, type SavedBan } from '../trust/ban-list.ts'

const formatVersion = 1
const maxFileBytes = 4 * 1024 * 1024
const maxSavedBans = 4096
const maxLevel = 1000
/** Bans that come together are written together. */
const writeDelayMs = 1000
const reasons: ReadonlySet<unknown> = new Set<BanReason>(['piece-hash', 'claim', 'protocol', 'limit'])
const peerIdPattern = /^[1-9A-HJ-NP-Za-km-z]{20,128}$/

/** What a {@link BanFile} works with. */
export interface BanFileInit {
  readonly path: string
  readonly list: BanList
  readonly clock: Clock
  readonly logger: Logger
}

/** Keeps a node's own bans beyond the process. Nothing else ever writes to the list: what others hold of a peer is their affair. */
export class BanFile {
  readonly #init: BanFileInit
  #cancelTimer: (() => void) | undefined
  #written: Promise<void> = Promise.resolve()

  private constructor(init: BanFileInit) {
    this.#init = init
  }

  /** Takes over the bans of the file, if there is one. A damaged file is set aside, and one that cannot be read is left alone: neither stops a node. */
  static async open(init: BanFileInit): Promise<BanFile> {
    const { path, list, clock, logger } = init
    try {
      const text = await readIfThere(path)
      const saved = text === undefined ? undefined : parseBans(text)
      if (saved) list.restore(saved.bans, clock.wallMs() - saved.savedAtMs, clock.monotonicMs())
    } catch (error) {
      logger.warn('the file of bans cannot be used, the node starts without', { path, error })
      if (error instanceof DamagedFile) await rename(path, `${path}.damaged`).catch(() => {})
    }
    return new BanFile(init)
  }

  /** The list has changed: it is written soon. */
  changed(): void {
    this.#cancelTimer ??= this.#init.clock.after(writeDelayMs, () => {
      this.#cancelTimer = undefined
      this.#write()
    })
  }

  /** Writes what has changed. */
  async close(): Promise<void> {
    if (this.#cancelTimer) {
      this.#cancelTimer()
      this.#cancelTimer = undefined
      this.#write()
    }
    await this.#written
  }

  #write(): void {
    const { path, list, clock, logger } = this.#init
    this.#written = this.#written.then(async () => {
      const bans = list.save(clock.monotonicMs())
      try {
        await writeAtomically(path, `${JSON.stringify({ version: formatVersion, savedAtMs: clock.wallMs(), bans })}\n`)
      } catch (error) {
        logger.warn('bans could not be written, they end with the process', { path, error })
      }
    })
  }
}

/** What the file holds is not what a node wrote. */
export class DamagedFile extends TypeError {}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    if ((await stat(path)).size > maxFileBytes) throw new DamagedFile('it is too large')
    return await readFile(path, 'utf8')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
}

/**
 * Reads the text of a file of bans.
 * @throws {@link DamagedFile}
 */
export function parseBans(text: string): { savedAtMs: number; bans: SavedBan[] } {
  const file = parseJson(text)
  if (!isRecord(file) || file['version'] !== formatVersion) throw new DamagedFile('it is of another version')
  const { savedAtMs, bans } = file
  if (!isNumber(savedAtMs, 0, Number.MAX_SAFE_INTEGER)) throw new DamagedFile('it does not say when it was written')
  if (!Array.isArray(bans) || bans.length > maxSavedBans) throw new DamagedFile('it holds no list of bans')
  return { savedAtMs, bans: bans.map(parseBan) }
}

function parseBan(ban: unknown): SavedBan {
  if (!isRecord(ban)) throw new DamagedFile('a ban is none')
  const { peerId, reason, level, leftMs, overMs } = ban
  if (typeof peerId !== 'string' || !peerIdPattern.test(peerId)) throw new DamagedFile('a ban names no peer')
  if (!isReason(reason)) throw new DamagedFile('a ban gives no reason')
  if (!isNumber(level, 1, maxLevel) || !Number.isInteger(level)) throw new DamagedFile('a ban has no level')
  if (!isNumber(leftMs, 0, maxBanMs) || !isNumber(overMs, 0, Number.MAX_SAFE_INTEGER)) throw new DamagedFile('a ban has no time')
  return { peerId, reason, level, leftMs, overMs }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new DamagedFile('it is no JSON', { cause })
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isReason(value: unknown): value is BanReason {
  return reasons.has(value)
}

function isNumber(value: unknown, min: number, max: number): value is number {
  return typeof value === 'number' && value >= min && value <= max
}

/** No reader sees half a file, and a crash leaves the old one. */
async function writeAtomically(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  const draft = `${path}.${randomBytes(6).toString('hex')}`
  const file = await open(draft, 'wx', 0o600)
  try {
    await file.writeFile(text)
    await file.sync()
    await file.close()
    await rename(draft, path)
  } catch (error) {
    await file.close().catch(() => {})
    await unlink(draft).catch(() => {})
    throw error
  }
}
