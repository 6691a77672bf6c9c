import type { Clock } from '../core/clock.ts'
import type { Digest } from '../core/digest.ts'
import type { Logger } from '../core/log.ts'
import type { Origin } from '../core/origin.ts'
import type { Grant } from '../trust/grant.ts'
import { isPublic, mayRead, namesOf, ruleFor, type CompiledRule, type SharedBlob, type VerdictOf } from '../trust/sharing-rules.ts'
import type { GrantMessage } from '../wire/messages.ts'
import type { RepositoryVerdicts } from './repository-verdicts.ts'
import { SharingHooks } from './sharing-hooks.ts'
import type { Authorize, BeforeSeed, SeedCandidate } from './sharing-options.ts'
import { ShownGrants, type LinkedPeer } from './shown-grants.ts'
import type { WithheldEvent } from './swarm-events.ts'
import { whyWithheld } from './withheld-advice.ts'

/** Repositories of which was said that they are withheld. */
const maxReported = 1000

/** A blob, as far as it matters who may read it. */
export interface NamedBlob extends SharedBlob {
  readonly digest: Digest
}

/** What {@link Sharing} works with. */
export interface SharingInit {
  readonly rules: readonly CompiledRule[]
  readonly grants: readonly Grant[]
  readonly authorize: Authorize | undefined
  readonly beforeSeed: BeforeSeed | undefined
  readonly verdicts: RepositoryVerdicts
  readonly clock: Clock
  readonly logger: Logger
  /** Told of blobs that nobody may read. */
  readonly withheld: (event: WithheldEvent) => void
  readonly closedNetwork: boolean
}

/** Who may read what, and who may be asked for it: the one place that all parts of a node ask. docs/spec/sharing.md says why. */
export class Sharing {
  readonly #init: SharingInit
  readonly #verdicts: RepositoryVerdicts
  readonly #grants: ShownGrants
  readonly #hooks: SharingHooks
  readonly #reported = new Set<string>()
  readonly #verdictOf: VerdictOf
  /** Told that answers may be others than before: for these blobs, or for all. */
  onChange: (digests?: readonly Digest[]) => void = () => {}

  constructor(init: SharingInit) {
    const { rules, grants: own, verdicts, clock, logger } = init
    this.#init = init
    this.#verdicts = verdicts
    verdicts.onChange = () => this.onChange()
    this.#verdictOf = (name) => verdicts.of(name)
    const issuers = new Set(rules.flatMap(({ access }) => (typeof access === 'object' ? access.grant.issuers : [])))
    this.#grants = new ShownGrants({ own, issuers, clock, onChange: () => this.onChange() })
    const { authorize, beforeSeed } = init
    this.#hooks = new SharingHooks({ authorize, beforeSeed, clock, logger, onAnswer: (digests) => this.onChange(digests) })
  }

  /** Whether a peer may read a blob, now. */
  mayRead(entry: LinkedPeer, blob: NamedBlob): boolean {
    return this.#rulesAdmit(entry, blob) && this.#hooks.isAuthorized(entry, blob)
  }

  /** Whether the user looks at images before they are offered. */
  get judges(): boolean {
    return this.#init.beforeSeed !== undefined
  }

  /** The user's `beforeSeed` did not let it be offered. */
  isRefused(digest: Digest): boolean {
    return this.#hooks.mayOffer(digest) === false
  }

  /** Settles when it is known whether a peer may read after all; absent where it is known now. */
  pending(entry: LinkedPeer, blob: NamedBlob): Promise<boolean> | undefined {
    return this.#rulesAdmit(entry, blob) ? this.#hooks.pending(entry, blob) : undefined
  }

  /** Whether it may be told to anybody that this node has to do with the blob: peers, the DHT, trackers. */
  mayName(blob: SharedBlob): boolean {
    return this.#init.closedNetwork || this.isForAll(blob)
  }

  /** Whether the peers that this node is linked to may be asked for it. */
  mayAsk(blob: SharedBlob): boolean {
    return this.mayName(blob) || this.#grants.covers(blob.repositories)
  }

  /** It is public, or the user calls it so; otherwise who gets it is to keep it private. */
  isForAll(blob: SharedBlob): boolean {
    const called = (name: string): boolean => ruleFor(this.#init.rules, name)?.access === 'public'
    return isPublic(blob, this.#verdictOf) || namesOf(blob).every(called)
  }

  /** Whether what comes under this name is known to be private. */
  isPrivateName(repository: string | undefined): boolean {
    const verdict = repository === undefined ? undefined : this.#verdicts.of(repository)
    return verdict === 'private' || verdict === 'denied'
  }

  /** Something is about to be asked of a peer: it sees our grants for that. Says whether it had not seen them yet. */
  show(entry: LinkedPeer, repositories: readonly string[]): boolean {
    return this.#grants.show(entry, repositories)
  }

  /** Whether a peer's word that a blob is private is to be kept with what comes from it. */
  believesPrivate(entry: LinkedPeer): boolean {
    return this.#init.closedNetwork || this.#grants.wasShown(entry)
  }

  receive(entry: LinkedPeer, { grant }: GrantMessage): void {
    this.#grants.receive(entry, grant)
  }

  closed(entry: LinkedPeer): void {
    this.#grants.closed(entry)
  }

  /** Something was read from an origin. */
  read(origin: Pick<Origin, 'name' | 'isPublic'>, usedCredentials: boolean): void {
    this.#verdicts.read(origin, usedCredentials)
  }

  /** An origin refused this node (401, 403). */
  refused(repository: string): void {
    this.#verdicts.refused(repository)
  }

  /** An image, or a blob alone, is about to be offered: resolves to whether it may be, and says so if it may not. */
  async offering(image: SeedCandidate): Promise<boolean> {
    if (await this.#hooks.judge(image)) return true
    const advice = 'beforeSeed would have to return true: it did not let this image be offered'
    this.#report(image.repository ?? '', image.digest, advice)
    return false
  }

  /** Resolves when `beforeSeed` has answered for an image that it was asked about. */
  async judged(digest: Digest): Promise<void> {
    await this.#hooks.judging(digest)
  }

  /** Says so, once for each repository, if nobody may read a blob that is here. */
  reportIfWithheld(blob: NamedBlob): void {
    const { rules, closedNetwork } = this.#init
    const withheld = whyWithheld(blob, { rules, verdictOf: this.#verdictOf, closedNetwork })
    if (withheld) this.#report(withheld.repository, blob.digest, withheld.advice)
  }

  async close(): Promise<void> {
    this.#grants.close()
    this.#hooks.close()
    await this.#verdicts.close()
  }

  #rulesAdmit(entry: LinkedPeer, blob: NamedBlob): boolean {
    if (this.#hooks.mayOffer(blob.digest) !== true) return false
    const { rules, clock, closedNetwork } = this.#init
    const reader = { member: closedNetwork, grants: this.#grants.heldBy(entry), nowMs: clock.wallMs() }
    return mayRead(rules, this.#verdictOf, blob, reader)
  }

  #report(name: string, digest: Digest, advice: string): void {
    if (this.#reported.has(name) || this.#reported.size >= maxReported) return
    this.#reported.add(name)
    const { withheld, logger } = this.#init
    const repository = name === '' ? undefined : name
    logger.warn('a blob is withheld from all peers', { repository, digest, advice })
    withheld({ ...(repository !== undefined && { repository }), digest, advice })
  }
}
