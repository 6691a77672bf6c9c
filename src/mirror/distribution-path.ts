import { isDigest, type Digest } from '../core/digest.ts'
import { isRepository, isTag, parseRegistry, splitRegistry } from '../core/reference.ts'
import { Refusal } from './refusal.ts'

/** What a client asks of the pull API. */
export type DistributionRequest =
  /** `/v2/`: is there a registry? */
  | { readonly kind: 'base' }
  | { readonly kind: 'manifest'; readonly repository: string; readonly name: { readonly tag: string } | { readonly digest: Digest } }
  | { readonly kind: 'blob'; readonly repository: string; readonly digest: Digest }
  /** What only the registry itself can answer, as it stands below `/v2/<repository>/`. */
  | { readonly kind: 'tags' | 'referrers'; readonly repository: string; readonly rest: string }

/** A request, and whose registry it is for, where it says so by `ns`. */
export interface ParsedPath {
  readonly request: DistributionRequest
  /** In the form in which references have it. */
  readonly namespace: string | undefined
}

const maxTargetLength = 4096
/** What URLs are made of here; nothing that needs an escape names anything in a registry. */
const plainPath = /^\/[A-Za-z0-9._~:/@+-]*$/
/** A registry's algorithm and hex digits: no tag, for it has a colon, and so meant for a digest. */
const digestLike = /^(?:sha256:|[a-z0-9+._-]+:[0-9a-f]{32,}$)/i

/**
 * Reads the target of a request: `/v2/library/alpine/manifests/3.20?ns=docker.io`.
 *
 * @param target - as it stands in the request line
 * @see {@link https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#endpoints}
 */
export function parseDistributionPath(target: string): ParsedPath | Refusal {
  if (target.length > maxTargetLength) return new Refusal(414, 'NAME_INVALID', 'the path is too long')
  if (/[^\x21-\x7e]/.test(target)) return new Refusal(400, 'NAME_INVALID', 'the request target is not ASCII: escape what is not')
  const [path, query = ''] = splitOnce(target, '?')
  // Absolute forms (`GET http://host/`) are for proxies of the web, which this is not.
  if (!path.startsWith('/')) return new Refusal(400, 'UNSUPPORTED', 'the request target is not a path')
  if (path === '/v2' || path === '/v2/') return { request: { kind: 'base' }, namespace: undefined }
  if (!path.startsWith('/v2/')) return new Refusal(404, 'UNSUPPORTED', 'only the pull API below /v2/ is served here')
  const namespace = parseNamespace(query)
  if (namespace instanceof Refusal) return namespace
  if (!plainPath.test(path)) return new Refusal(400, 'NAME_INVALID', 'a repository is lower-case letters and digits, with ".", "_", "-" and "/" between them')
  const request = parseRequest(path.slice('/v2/'.length), query)
  return request instanceof Refusal ? request : { request, namespace }
}

function parseRequest(path: string, query: string): DistributionRequest | Refusal {
  const match = /^(.+)\/(manifests|blobs|tags|referrers)\/([^/]*|sha256:.*)$/.exec(path)
  if (!match) return new Refusal(404, 'UNSUPPORTED', 'there is no such endpoint in the pull API')
  const [, repository = '', kind, name = ''] = match
  // With a registry before it, a repository may hold a port.
  const bare = splitRegistry(repository)?.repository ?? repository
  if (!isRepository(bare) || repository.length > 255) {
    return new Refusal(400, 'NAME_INVALID', 'a repository is lower-case letters and digits, with ".", "_", "-" and "/" between them, 255 characters at most')
  }
  switch (kind) {
    case 'manifests':
      if (digestLike.test(name)) return isDigest(name) ? { kind: 'manifest', repository, name: { digest: name } } : invalidDigest()
      return isTag(name) ? { kind: 'manifest', repository, name: { tag: name } } : new Refusal(400, 'TAG_INVALID', 'a tag is up to 128 letters, digits, "_", "." and "-"')
    case 'blobs':
      return isDigest(name) ? { kind: 'blob', repository, digest: name } : invalidDigest()
    case 'referrers':
      return isDigest(name) ? { kind: 'referrers', repository, rest: `referrers/${name}${searchOf(query)}` } : invalidDigest()
    default:
      if (name !== 'list') return new Refusal(404, 'UNSUPPORTED', 'there is no such endpoint in the pull API')
      return { kind: 'tags', repository, rest: `tags/list${searchOf(query)}` }
  }
}

function invalidDigest(): Refusal {
  return new Refusal(400, 'DIGEST_INVALID', 'a digest is sha256: and 64 lower-case hex digits')
}

/** `ns` names the registry that a mirror stands in for; it is looked up in a list, and dialled under no circumstances. */
function parseNamespace(query: string): string | undefined | Refusal {
  const all = new URLSearchParams(query).getAll('ns')
  if (all.length === 0) return undefined
  const [text = ''] = all
  const namespace = all.length === 1 ? parseRegistry(text) : undefined
  return namespace ?? new Refusal(400, 'NAME_INVALID', 'ns is to be one host with an optional port')
}

/** All that is meant for the registry, written anew: how it calls its next page is its own affair. */
function searchOf(query: string): string {
  const kept = new URLSearchParams(query)
  kept.delete('ns')
  return kept.size > 0 ? `?${kept.toString()}` : ''
}

function splitOnce(text: string, separator: string): [string, string | undefined] {
  const index = text.indexOf(separator)
  return index < 0 ? [text, undefined] : [text.slice(0, index), text.slice(index + 1)]
}
