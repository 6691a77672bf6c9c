import { crc32 } from 'node:zlib'
import type { Clock } from '../core/clock.ts'
import { StoreError } from '../core/errors.ts'
import { LruMap } from '../core/lru-map.ts'
import type { Logger } from '../core/log.ts'
import type { Origin } from '../core/origin.ts'
import type { PieceStore } from '../store/piece-store.ts'
import type { RepositoryVerdict } from '../trust/sharing-rules.ts'

const noteName = 'damselfly verdicts on repositories'
const maxVerdicts = 1000
/** What a registry gave to nobody in particular is not asked for again so soon, in milliseconds. */
const probedForMs = 86_400_000
const never = -1

interface Known {
  readonly verdict: RepositoryVerdict | undefined
  /** When it was asked as nobody, in milliseconds since 1970; -1 when it was not. */
  readonly probedAtMs: number
}

/** What {@link RepositoryVerdicts} works with. */
export interface RepositoryVerdictsInit {
  readonly store: PieceStore
  readonly clock: Clock
  readonly logger: Logger
}

/** What registries said of repositories: whether anybody may read them, only some, or not even we. Outlives the process. */
export class RepositoryVerdicts {
  readonly #init: RepositoryVerdictsInit
  /** Told of each verdict that is another one than before. */
  onChange: () => void = () => {}
  readonly #known = new LruMap<string, Known>(maxVerdicts)
  /** As they are in the note: {@link LruMap} does not list what it has. */
  readonly #names = new Set<string>()
  readonly #probes = new Map<string, Promise<void>>()
  readonly #closed = new AbortController()
  #writing: Promise<void> = Promise.resolve()

  private constructor(init: RepositoryVerdictsInit) {
    this.#init = init
  }

  static async open(init: RepositoryVerdictsInit): Promise<RepositoryVerdicts> {
    const verdicts = new RepositoryVerdicts(init)
    await verdicts.#load()
    return verdicts
  }

  of(repository: string): RepositoryVerdict | undefined {
    return this.#known.get(repository)?.verdict
  }

  /**
   * Something was read from a repository. If credentials were used, it is found out whether they were needed. An origin that cannot be asked that is no
   * registry: what it gives under one name says nothing of what else it has.
   */
  read(origin: Pick<Origin, 'name' | 'isPublic'>, usedCredentials: boolean): void {
    if (!origin.isPublic) return
    const { name } = origin
    const known = this.#known.get(name)
    if (!usedCredentials) return known?.verdict === 'public' ? undefined : this.#set(name, 'open', known?.probedAtMs ?? never)
    const ageMs = this.#init.clock.wallMs() - (known?.probedAtMs ?? never)
    const isFresh = known !== undefined && known.probedAtMs !== never && ageMs >= 0 && ageMs < probedForMs
    if (known?.verdict === 'denied') this.#set(name, 'private', known.probedAtMs)
    if (isFresh || this.#probes.has(name) || this.#closed.signal.aborted) return
    const probe = this.#probe(origin).finally(() => this.#probes.delete(name))
    this.#probes.set(name, probe)
  }

  /** A registry refused this node, whatever it showed. Of a repository that was never read here this says nothing new. */
  refused(repository: string): void {
    const known = this.#known.get(repository)
    if (known?.verdict !== undefined) this.#set(repository, 'denied', never)
  }

  /** Ends what is under way; resolves when all that is known is noted. */
  async close(): Promise<void> {
    this.#closed.abort()
    await Promise.allSettled(this.#probes.values())
    await this.#writing
  }

  async #probe(origin: Pick<Origin, 'name' | 'isPublic'>): Promise<void> {
    const { signal } = this.#closed
    const { clock, logger } = this.#init
    const { name } = origin
    try {
      const isPublic = await origin.isPublic?.({ signal })
      if (signal.aborted) return
      const verdict = isPublic === undefined ? this.of(name) : isPublic ? 'public' : 'private'
      logger.debug('a repository was asked for as nobody', { repository: name, verdict })
      // One that did not say is asked again with the next read.
      if (isPublic !== undefined) this.#set(name, verdict, clock.wallMs())
      else if (verdict === undefined) this.#set(name, 'private', never)
    } catch (error) {
      if (!signal.aborted) logger.info('a repository could not be asked for as nobody', { repository: name, error })
    }
  }

  #set(repository: string, verdict: RepositoryVerdict | undefined, probedAtMs: number): void {
    const before = this.#known.get(repository)
    if (before?.verdict === verdict && before?.probedAtMs === probedAtMs) return
    this.#known.set(repository, { verdict, probedAtMs })
    this.#names.delete(repository)
    this.#names.add(repository)
    this.#writing = this.#writing.then(() => this.#write())
    if (before?.verdict !== verdict) this.onChange()
  }

  async #load(): Promise<void> {
    try {
      const bytes = await this.#init.store.readNote(noteName)
      if (!bytes) return
      const rows = decodeVerdicts(bytes)
      if (!rows) throw new StoreError('ERR_STORE_CORRUPT', 'the note is damaged')
      for (const [name, verdict, probedAtMs] of rows) {
        this.#known.set(name, { verdict, probedAtMs })
        this.#names.add(name)
      }
    } catch (error) {
      // Nothing is known then: what came with credentials counts as private.
      this.#init.logger.warn('what registries said of repositories could not be read', { error })
    }
  }

  async #write(): Promise<void> {
    const rows = [...this.#names].slice(-maxVerdicts).flatMap((name) => {
      const known = this.#known.get(name)
      if (!known) this.#names.delete(name)
      return known?.verdict ? [[name, known.verdict, known.probedAtMs] as const] : []
    })
    try {
      await this.#init.store.writeNote(noteName, encodeVerdicts(rows))
    } catch (error) {
      this.#init.logger.warn('what registries said of repositories could not be noted', { error })
    }
  }
}

/** What is noted of a repository: its name, what its registry said, and when it was asked as nobody. */
export type VerdictRow = readonly [repository: string, verdict: RepositoryVerdict, probedAtMs: number]

export function encodeVerdicts(rows: readonly VerdictRow[]): Uint8Array {
  const text = JSON.stringify(rows)
  return Buffer.from(`${crc32(text)}\n${text}`)
}

/** Reads {@link encodeVerdicts} back; `undefined` when it is damaged. */
export function decodeVerdicts(bytes: Uint8Array): VerdictRow[] | undefined {
  const [, sum, text = ''] = /^(\d{1,10})\n(.*)$/s.exec(Buffer.from(bytes).toString()) ?? []
  if (sum === undefined || Number(sum) !== crc32(text)) return undefined
  try {
    const rows: unknown = JSON.parse(text)
    return Array.isArray(rows) && rows.every(isRow) ? rows.slice(-maxVerdicts) : undefined
  } catch {
    return undefined
  }
}

function isRow(row: unknown): row is VerdictRow {
  if (!Array.isArray(row) || row.length !== 3) return false
  const [name, verdict, probedAtMs]: unknown[] = row
  return typeof name === 'string' && isVerdict(verdict) && Number.isSafeInteger(probedAtMs)
}

function isVerdict(value: unknown): value is RepositoryVerdict {
  return value === 'open' || value === 'public' || value === 'private' || value === 'denied'
}
