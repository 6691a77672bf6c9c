import type { Descriptor } from '../core/descriptor.ts'
import type { Digest } from '../core/digest.ts'
import { RequestError } from '../core/errors.ts'
import { isIssuer, parseGrant, readPeerId } from '../net/grants.ts'
import { decodeGrant, type Grant } from '../trust/grant.ts'
import { compileRule, type CompiledRule, type SharingAccess } from '../trust/sharing-rules.ts'
import { sameBytes } from '../trust/claim.ts'

/**
 * Who may read the blobs of some repositories.
 * @public
 */
export interface SharingRule {
  /** Repositories: parts with slashes between them, `*` for any one part, `**` at the end for any number: `registry.example/team/**`. */
  match: string
  access: SharingAccess
}

/**
 * Whom this node lets read what it has.
 * @public
 */
export interface SharingOptions {
  /** The first that matches a repository decides. @defaultValue none: what registries give to anybody is for all, the rest for members of a closed network */
  rules?: readonly SharingRule[] | undefined
}

/**
 * A peer that would read a blob, as `authorize` is asked about it.
 * @public
 */
export interface SharingRequest {
  readonly peerId: string
  readonly digest: Digest
  /** Repositories that the blob is known to come from. */
  readonly repositories: readonly string[]
}

/**
 * An image that is about to be offered to others, or a blob that was fetched or seeded alone.
 * @public
 */
export interface SeedCandidate {
  /** As it was asked for, in full; absent where it was not by name. */
  readonly reference?: string | undefined
  /** `registry/repository`, where it is known. */
  readonly repository?: string | undefined
  /** Of the manifest, or of the blob itself. */
  readonly digest: Digest
  /** All blobs that the answer is about, the manifest included. */
  readonly blobs: readonly Descriptor[]
}

/**
 * Decides whether a peer may read a blob that the rules let it read. False, an error, or no answer within a second denies.
 * @public
 */
export type Authorize = (request: SharingRequest, options: { readonly signal: AbortSignal }) => boolean | Promise<boolean>

/**
 * Decides whether an image may be offered. False, an error, or no answer within a minute keeps it on this node.
 * @public
 */
export type BeforeSeed = (image: SeedCandidate, options: { readonly signal: AbortSignal }) => boolean | Promise<boolean>

/** @throws {@link RequestError} `ERR_REQUEST_OPTION` */
export function resolveRules({ rules = [] }: SharingOptions): CompiledRule[] {
  return rules.map(({ match, access }, index) => {
    const rule = compileRule(match, access)
    if (!rule) {
      throw badOption(
        `sharing.rules[${index}].match is ${JSON.stringify(match)}: write registry/repository, with * for one part and ** at the end for any number`,
      )
    }
    checkAccess(access, index)
    return rule
  })
}

/**
 * Reads the grants that this node may show.
 * @throws {@link RequestError} `ERR_REQUEST_OPTION` when one is none, or not for this node
 */
export function resolveGrants(texts: readonly string[], self: { readonly name: string; readonly peerId: Uint8Array }): Grant[] {
  return texts.map((text, index) => {
    const bytes = parseGrant(text.trim())
    const grant = bytes && decodeGrant(bytes)
    if (!grant) throw badOption(`grants[${index}] is no grant: it is one line, as damselfly grant prints it`)
    if (sameBytes(grant.subject, self.peerId)) return grant
    throw badOption(
      `grants[${index}] is not for this node, which is ${self.name}: have one issued for it, and keep its identity in a file so that it stays the same`,
    )
  })
}

/** @throws {@link RequestError} `ERR_REQUEST_OPTION` when one is no peer id */
export function resolvePeerIds(peerIds: readonly string[]): ReadonlySet<string> {
  for (const peerId of peerIds) readPeerId(peerId)
  return new Set(peerIds)
}

function checkAccess(access: unknown, index: number): void {
  if (access === 'public' || access === 'network' || access === 'never') return
  const issuers = (access as { grant?: { issuers?: unknown } } | undefined)?.grant?.issuers
  if (Array.isArray(issuers) && issuers.length > 0 && issuers.every((issuer) => typeof issuer === 'string' && isIssuer(issuer))) return
  throw badOption(
    `sharing.rules[${index}].access: write 'public', 'network', 'never' or { grant: { issuers: [...] } } with public keys of 43 characters, as damselfly grant --key FILE prints them`,
  )
}

function badOption(message: string): RequestError {
  return new RequestError('ERR_REQUEST_OPTION', message)
}
