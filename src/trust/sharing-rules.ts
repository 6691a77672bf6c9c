import { matchesPattern, parsePattern, type RepositoryPattern } from './repository-pattern.ts'

/** Repositories that are remembered of one blob. */
export const maxRepositories = 64
/** How far the clocks of who issues a grant and who checks it may differ, in milliseconds. */
export const clockToleranceMs = 60_000

/**
 * Who may read the blobs of a repository: anybody; members of this closed network; nobody; or peers with a grant of one of the issuers, whose public
 * keys are given as 43 characters of base64url.
 * @public
 */
export type SharingAccess = 'public' | 'network' | 'never' | { readonly grant: { readonly issuers: readonly string[] } }

/**
 * What a registry said of a repository, the last time that it said something; none before. `open`: it gave without credentials, though perhaps by a
 * mirror; `public`: it gave to nobody in particular when it was asked itself; `private`: it did not; `denied`: it refuses this node.
 */
export type RepositoryVerdict = 'open' | 'public' | 'private' | 'denied'

/** A rule with its pattern read. */
export interface CompiledRule {
  readonly pattern: RepositoryPattern
  readonly access: SharingAccess
}

/** What rules look at of a blob. */
export interface SharedBlob {
  readonly private: boolean
  /** Names under which it came; the empty one stands for where nobody knows. */
  readonly repositories: readonly string[]
}

/** A grant that a peer showed, and that was found to be real and the peer's. */
export interface HeldGrant {
  readonly issuer: string
  readonly pattern: RepositoryPattern
  readonly notBeforeMs: number
  readonly expiresMs: number
}

/** Who asks, and when. */
export interface Reader {
  /** We are members of one closed network. */
  readonly member: boolean
  readonly grants: readonly HeldGrant[]
  /** Wall clock. */
  readonly nowMs: number
}

export type VerdictOf = (repository: string) => RepositoryVerdict | undefined

/** Reads a rule's pattern; `undefined` when it is none. */
export function compileRule(match: string, access: SharingAccess): CompiledRule | undefined {
  const pattern = parsePattern(match)
  return pattern && { pattern, access }
}

/** Whether anybody could have got the blob where we got it. */
export function isPublic(blob: SharedBlob, verdictOf: VerdictOf): boolean {
  const { repositories } = blob
  if (blob.private) return repositories.length > 0 && repositories.every((name) => name !== '' && verdictOf(name) === 'public')
  return repositories.length === 0 || repositories.some((name) => name === '' || !isTakenBack(verdictOf(name)))
}

function isTakenBack(verdict: RepositoryVerdict | undefined): boolean {
  return verdict === 'private' || verdict === 'denied'
}

/** The rule that decides on a repository. */
export function ruleFor(rules: readonly CompiledRule[], repository: string): CompiledRule | undefined {
  return rules.find(({ pattern }) => matchesPattern(pattern, repository))
}

/** Whether the rules let a peer read a blob. */
export function mayRead(rules: readonly CompiledRule[], verdictOf: VerdictOf, blob: SharedBlob, reader: Reader): boolean {
  const open = isPublic(blob, verdictOf)
  // A name that was left out might be one that a rule forbids.
  if (!open && rules.length > 0 && blob.repositories.length >= maxRepositories) return false
  const admits = (name: string): boolean => {
    if (verdictOf(name) === 'denied') return false
    const access = ruleFor(rules, name)?.access ?? (open ? 'public' : 'network')
    return isAdmitted(access, name, reader)
  }
  const names = namesOf(blob)
  return open ? names.some(admits) : names.every(admits)
}

/** The repositories that rules are applied to: those with a name if there is one, else one without. */
export function namesOf({ repositories }: Pick<SharedBlob, 'repositories'>): readonly string[] {
  const named = repositories.filter((name) => name !== '')
  return named.length > 0 ? named : ['']
}

/** Whether a grant that was found to be real covers a repository now. */
export function coversNow({ pattern, notBeforeMs, expiresMs }: HeldGrant, repository: string, nowMs: number): boolean {
  const begun = nowMs >= notBeforeMs - clockToleranceMs
  const lasts = nowMs <= expiresMs + clockToleranceMs
  const matches = matchesPattern(pattern, repository)
  return begun && lasts && matches
}

function isAdmitted(access: SharingAccess, repository: string, { member, grants, nowMs }: Reader): boolean {
  if (access === 'public') return true
  if (access === 'never') return false
  if (access === 'network') return member
  const { issuers } = access.grant
  return grants.some((grant) => issuers.includes(grant.issuer) && coversNow(grant, repository, nowMs))
}
