import type { Clock } from '../core/clock.ts'
import { isGrantSigned, printIssuer } from '../net/grants.ts'
import type { Link } from '../net/link.ts'
import { decodeGrant, encodeGrant, grantCounts, type Grant } from '../trust/grant.ts'
import { clockToleranceMs, coversNow, type HeldGrant } from '../trust/sharing-rules.ts'
import { limits } from '../wire/protocol.ts'

/** A peer, and what lasts as long as the link to it. */
export interface LinkedPeer {
  readonly link: Pick<Link, 'peerId' | 'peerIdBytes' | 'send'>
}

/** Timers take no longer time; a grant for later than that is looked at when it is needed. */
const maxDelayMs = 2 ** 31 - 1

interface LinkGrants {
  received: number
  /** Those of the peer that count. */
  readonly held: HeldGrant[]
  /** Ours that the peer was shown. */
  readonly shown: Set<Grant>
  readonly timers: Set<() => void>
}

/** What {@link ShownGrants} works with. */
export interface ShownGrantsInit {
  /** Ours. */
  readonly own: readonly Grant[]
  /** Those whose grants some rule asks for. */
  readonly issuers: ReadonlySet<string>
  readonly clock: Clock
  /** A peer may read more than before, or less. */
  readonly onChange: () => void
}

const none: readonly HeldGrant[] = []

/** Grants on links: those that this node has for others to see, and those that others show. Forgotten with the link. */
export class ShownGrants {
  readonly #init: ShownGrantsInit
  readonly #links = new Map<LinkedPeer, LinkGrants>()

  constructor(init: ShownGrantsInit) {
    this.#init = init
  }

  heldBy(entry: LinkedPeer): readonly HeldGrant[] {
    return this.#links.get(entry)?.held ?? none
  }

  /** Whether a grant of ours covers one of the repositories now. */
  covers(repositories: readonly string[]): boolean {
    return this.#covering(repositories).length > 0
  }

  /** Shows a peer our grants for these repositories, unless it has seen them; says whether there were any. */
  show(entry: LinkedPeer, repositories: readonly string[]): boolean {
    let wasNew = false
    for (const grant of this.#covering(repositories)) {
      const { shown } = this.#of(entry)
      if (shown.has(grant) || shown.size >= limits.grantsPerLink) continue
      shown.add(grant)
      wasNew = true
      entry.link.send({ type: 'grant', grant: encodeGrant(grant.signedBytes, grant.signature) })
    }
    return wasNew
  }

  /** Whether the peer has reason to give us what is private. */
  wasShown(entry: LinkedPeer): boolean {
    return (this.#links.get(entry)?.shown.size ?? 0) > 0
  }

  /** A peer shows a grant; of one that does not count nothing is said, to nobody. */
  receive(entry: LinkedPeer, bytes: Uint8Array): void {
    const link = this.#of(entry)
    if (++link.received > limits.grantsPerLink) return
    const grant = decodeGrant(bytes)
    if (!grant) return
    const nowMs = this.#init.clock.wallMs()
    const isSigned = isGrantSigned(grant)
    // One that begins later is looked at again when it is needed.
    const atMs = Math.max(nowMs, grant.notBeforeMs)
    const counts = grantCounts(grant, { isSigned, peerId: entry.link.peerIdBytes, nowMs: atMs })
    const issuer = printIssuer(grant.issuer)
    if (!counts || !this.#init.issuers.has(issuer)) return
    const { pattern, notBeforeMs, expiresMs } = grant
    link.held.push({ issuer, pattern, notBeforeMs, expiresMs })
    this.#changeAt(link, expiresMs + clockToleranceMs + 1 - nowMs)
    const waitMs = notBeforeMs - clockToleranceMs - nowMs
    if (waitMs > 0) this.#changeAt(link, waitMs)
    else this.#init.onChange()
  }

  closed(entry: LinkedPeer): void {
    for (const cancel of this.#links.get(entry)?.timers ?? []) cancel()
    this.#links.delete(entry)
  }

  close(): void {
    for (const entry of Array.from(this.#links.keys())) this.closed(entry)
  }

  #covering(repositories: readonly string[]): Grant[] {
    const nowMs = this.#init.clock.wallMs()
    return this.#init.own.filter((grant) =>
      repositories.some((name) => coversNow({ ...grant, issuer: '' }, name, nowMs)),
    )
  }

  #changeAt({ timers }: LinkGrants, delayMs: number): void {
    const { clock, onChange } = this.#init
    const cancel = clock.after(Math.min(delayMs, maxDelayMs), () => {
      timers.delete(cancel)
      onChange()
    })
    timers.add(cancel)
  }

  #of(entry: LinkedPeer): LinkGrants {
    const known = this.#links.get(entry) ?? { received: 0, held: [], shown: new Set(), timers: new Set() }
    this.#links.set(entry, known)
    return known
  }
}
