import { LruMap } from '../core/lru-map.ts'

/**
 * Why a peer is banned: it sent a piece that is not what it signed, signed a false claim, broke the protocol again and again, or took
 * more than its share again and again.
 * @public
 */
export type BanReason = 'piece-hash' | 'claim' | 'protocol' | 'limit'

const hourMs = 3_600_000
/** First ban; each repetition doubles it. */
export const firstBanMs: number = hourMs
export const maxBanMs: number = 24 * hourMs
/** So long after its ban, one of a peer's convictions is forgotten. */
const forgetAfterMs = 24 * hourMs
/** So many peers of one prefix, convicted within {@link prefixWindowMs}, and nobody of that prefix is let in for a while. */
const prefixStrikes = 3
const prefixWindowMs = hourMs
const coolingMs = hourMs
/** Peers that are remembered; the ones whose bans end first make room. */
const maxRemembered = 4096
/** As in libtorrent: good pieces count little, suspicions twice, and both fade. */
const maxScore = 8
const suspicion = -2
const banScore = -7
const halvedAfterMs = 600_000
const maxScored = 4096

/** A ban as it outlives the process: times are what was left of them. */
export interface SavedBan {
  readonly peerId: string
  readonly reason: BanReason
  /** Bans so far, this one included. */
  readonly level: number
  /** What is left of the ban; at most 24 h. 0 when it is over and only its memory counts. */
  readonly leftMs: number
  /** Since when it is over. */
  readonly overMs: number
}

interface Ban {
  readonly peerId: string
  readonly reason: BanReason
  readonly prefix: string | undefined
  untilMs: number
  /** What it rests on; without any, it falls. */
  readonly verdicts: Set<object>
}

interface PeerRecord {
  /** Bans so far, less those that are forgotten. */
  level: number
  latest: Ban
}

/** A conviction. */
export interface Verdict {
  readonly untilMs: number
  /** False when the peer was banned already: this verdict holds the ban up, too. */
  readonly isNew: boolean
  /** Takes the verdict back at that time, and the ban with it unless another verdict holds it. Says whether the peer is free now. */
  reverse(now: number): boolean
}

/**
 * Who is banned, and for how long. Times are those of one monotonic clock, so that no change of the machine's clock frees a peer, or
 * keeps it for ever.
 */
export class BanList {
  /** The longest untouched first. */
  readonly #records = new Map<string, PeerRecord>()
  readonly #prefixes = new Map<string, { strikes: { ban: Ban; atMs: number }[]; coolUntilMs: number }>()
  readonly #scores = new LruMap<string, { readonly score: number; readonly atMs: number }>(maxScored)

  /** Peers that are remembered, banned or not. */
  get size(): number {
    return this.#records.size
  }

  /** How many are banned. */
  countAt(now: number): number {
    let count = 0
    for (const { latest } of this.#records.values()) if (latest.untilMs > now) count++
    return count
  }

  isBanned(peerId: string, now: number): boolean {
    return this.untilMs(peerId, now) > now
  }

  /** When a peer is free; not later than `now` when it is. */
  untilMs(peerId: string, now: number): number {
    return Math.min(this.#records.get(peerId)?.latest.untilMs ?? 0, now + maxBanMs)
  }

  /** Whether nobody of a prefix is let in. */
  isCooling(prefix: string, now: number): boolean {
    return (this.#prefixes.get(prefix)?.coolUntilMs ?? 0) > now
  }

  /** @param prefix - of the peer's address; `undefined` for those whose prefix does not count */
  convict(peerId: string, reason: BanReason, prefix: string | undefined, now: number): Verdict {
    const verdict = {}
    const before = this.#records.get(peerId)
    if (before && before.latest.untilMs > now) {
      // Pieces that were under way together are found bad together: that counts once.
      before.latest.verdicts.add(verdict)
      return this.#verdict(verdict, before.latest, false)
    }
    const level = (before ? levelAt(before, now) : 0) + 1
    const untilMs = now + banMsOf(level)
    const ban: Ban = { peerId, reason, prefix, untilMs, verdicts: new Set([verdict]) }
    this.#scores.delete(peerId)
    this.#remember(peerId, { level, latest: ban }, now)
    if (prefix !== undefined) this.#strike(prefix, ban, now)
    return this.#verdict(verdict, ban, true)
  }

  /** A misdeed that an honest peer may commit once. Returns true when it was one too many: the peer is to be convicted. */
  suspect(peerId: string, now: number): boolean {
    return this.#score(peerId, suspicion, now) <= banScore
  }

  /** A good deed: it weighs against suspicions. */
  vouch(peerId: string, now: number): void {
    if (this.#scores.get(peerId)) this.#score(peerId, 1, now)
  }

  /** What outlives the process. */
  save(now: number): SavedBan[] {
    const saved: SavedBan[] = []
    for (const [peerId, record] of this.#records) {
      const level = levelAt(record, now)
      if (level === 0) continue
      const { untilMs, reason } = record.latest
      const leftMs = Math.max(0, Math.min(untilMs - now, maxBanMs))
      saved.push({ peerId, reason, level: record.level, leftMs, overMs: Math.max(0, now - untilMs) })
    }
    return saved
  }

  /**
   * Takes over what another process saved; bans of this one stay as they are.
   * @param passedMs - time since then; less than nothing counts as nothing
   */
  restore(saved: readonly SavedBan[], passedMs: number, now: number): void {
    const passed = Math.max(0, passedMs)
    for (const { peerId, reason, level, leftMs, overMs } of saved) {
      if (this.#records.has(peerId)) continue
      const endsMs = leftMs > 0 ? now + Math.min(leftMs, maxBanMs) - passed : now - overMs - passed
      const ban: Ban = { peerId, reason, prefix: undefined, untilMs: endsMs, verdicts: new Set([{}]) }
      if (levelAt({ level, latest: ban }, now) > 0) this.#remember(peerId, { level, latest: ban }, now)
    }
  }

  #verdict(verdict: object, ban: Ban, isNew: boolean): Verdict {
    return {
      untilMs: ban.untilMs,
      isNew,
      reverse: (now) => {
        if (!ban.verdicts.delete(verdict) || ban.verdicts.size > 0) return false
        return this.#lift(ban, now)
      },
    }
  }

  /** The ban never was. */
  #lift(ban: Ban, now: number): boolean {
    this.#unstrike(ban)
    const record = this.#records.get(ban.peerId)
    if (!record) return false
    if (record.latest !== ban) {
      // A later ban was doubled for its sake, but stands.
      record.level = Math.max(1, record.level - 1)
      return false
    }
    const wasBanned = ban.untilMs > now
    record.level--
    ban.untilMs = Math.min(ban.untilMs, now)
    if (record.level <= 0) this.#records.delete(ban.peerId)
    return wasBanned
  }

  #strike(prefix: string, ban: Ban, now: number): void {
    this.#forgetPrefixes(now)
    const entry = this.#prefixes.get(prefix) ?? { strikes: [], coolUntilMs: 0 }
    this.#prefixes.set(prefix, entry)
    entry.strikes.push({ ban, atMs: now })
    // More than enough of them change nothing.
    if (entry.strikes.length > maxRemembered) entry.strikes.shift()
    if (entry.strikes.length >= prefixStrikes) entry.coolUntilMs = now + coolingMs
  }

  #unstrike(ban: Ban): void {
    const entry = ban.prefix === undefined ? undefined : this.#prefixes.get(ban.prefix)
    if (!entry || ban.prefix === undefined) return
    entry.strikes = entry.strikes.filter((strike) => strike.ban !== ban)
    if (entry.strikes.length < prefixStrikes) entry.coolUntilMs = 0
    if (entry.strikes.length === 0) this.#prefixes.delete(ban.prefix)
  }

  /** Strikes are kept while they cool their prefix, so that a reversal can undo that. */
  #forgetPrefixes(now: number): void {
    for (const [prefix, entry] of this.#prefixes) {
      if (entry.coolUntilMs > now) continue
      entry.strikes = entry.strikes.filter(({ atMs }) => now - atMs < prefixWindowMs)
      if (entry.strikes.length === 0) this.#prefixes.delete(prefix)
    }
  }

  #remember(peerId: string, record: PeerRecord, now: number): void {
    this.#records.delete(peerId)
    this.#records.set(peerId, record)
    if (this.#records.size <= maxRemembered) return
    for (const [other, old] of this.#records) if (levelAt(old, now) === 0) this.#records.delete(other)
    if (this.#records.size <= maxRemembered) return
    let first = peerId
    let firstMs = Infinity
    for (const [other, { latest }] of this.#records) {
      if (latest.untilMs >= firstMs) continue
      first = other
      firstMs = latest.untilMs
    }
    this.#records.delete(first)
  }

  #score(peerId: string, change: number, now: number): number {
    const { score, atMs } = this.#scores.get(peerId) ?? { score: 0, atMs: now }
    const faded = score * 0.5 ** Math.max(0, (now - atMs) / halvedAfterMs)
    const next = Math.min(maxScore, faded + change)
    this.#scores.set(peerId, { score: next, atMs: now })
    return next
  }
}

function banMsOf(level: number): number {
  return Math.min(maxBanMs, firstBanMs * 2 ** (level - 1))
}

function levelAt({ level, latest }: PeerRecord, now: number): number {
  return Math.max(0, level - Math.floor(Math.max(0, now - latest.untilMs) / forgetAfterMs))
}
