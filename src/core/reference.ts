import { parseDigest, type Digest } from './digest.ts'
import { RequestError } from './errors.ts'
import { quoted } from './quoted.ts'

/**
 * Names an image: where it is, and which one it is.
 * @public
 */
export interface Reference {
  /** Lower-case host, with a port where one was given: `docker.io`, `localhost:5000`, `[::1]:5000`. */
  readonly registry: string
  /** `library/alpine`, `team/app`. */
  readonly repository: string
  /** A name that the registry may move. `latest` when the text had neither tag nor digest. */
  readonly tag?: string | undefined
  /** Wins over the tag. */
  readonly digest?: Digest | undefined
}

const dockerHub = 'docker.io'
const dockerHubAliases: ReadonlySet<string> = new Set([dockerHub, 'index.docker.io'])
/** The host on which Docker Hub really answers. */
const dockerHubHost = 'registry-1.docker.io'

/** Length of registry and repository with the slash between them, in characters. */
const maxNameLength = 255
/** Room for the longest name, tag and digest; longer text is refused before any pattern sees it. */
const maxTextLength = 640

const hostPattern = /^(?:[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?$/
const componentPattern = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/
const tagPattern = /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/

/**
 * Reads a reference as Docker and podman users write it: `alpine`, `ghcr.io/team/app:1.2`,
 * `localhost:5000/app@sha256:…`. A first part with a dot, a port or `localhost` is the registry; otherwise it is
 * Docker Hub, where a single name means `library/<name>`.
 *
 * @throws {@link RequestError} `ERR_REQUEST_NAME` or `ERR_REQUEST_DIGEST`
 * @see {@link https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#pulling-manifests}
 * @public
 */
export function parseReference(text: string): Reference {
  if (text.length > maxTextLength) {
    throw badName(text, `it is longer than ${maxTextLength} characters`)
  }
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(text)) throw badName(text, 'leave the scheme out')
  const [named, digestText] = splitOnce(text, text.indexOf('@'))
  const digest = digestText === undefined ? undefined : parseDigest(digestText)
  // A colon before the last slash belongs to a port.
  const colon = named.lastIndexOf(':')
  const [name, tagText] = splitOnce(named, colon > named.lastIndexOf('/') ? colon : -1)
  if (tagText !== undefined && !tagPattern.test(tagText)) {
    throw badName(text, 'a tag is up to 128 letters, digits, "_", "." and "-"')
  }
  const { registry, repository } = parseName(name, text)
  const tag = tagText ?? (digest ? undefined : 'latest')
  return { registry, repository, ...(tag && { tag }), ...(digest && { digest }) }
}

/**
 * Writes a reference in full, so that equal references give equal text: `docker.io/library/alpine:latest`.
 * @public
 */
export function printReference(reference: Reference): string {
  const { registry, repository, tag, digest } = reference
  return `${registry}/${repository}${tag ? `:${tag}` : ''}${digest ? `@${digest}` : ''}`
}

/**
 * The host, with its port, that answers for a registry: Docker Hub's is not the one in its references.
 * @public
 */
export function registryHost(reference: Pick<Reference, 'registry'>): string {
  return reference.registry === dockerHub ? dockerHubHost : reference.registry
}

/** A repository in full: `docker.io/library/alpine`. */
export function repositoryOf({ registry, repository }: Pick<Reference, 'registry' | 'repository'>): string {
  return `${registry}/${repository}`
}

/** A path whose first part names a registry, as names of images have it; `undefined` for any other. */
export function splitRegistry(path: string): Pick<Reference, 'registry' | 'repository'> | undefined {
  const [first, repository] = splitOnce(path, path.indexOf('/'))
  const registry = repository !== undefined && looksLikeHost(first) ? parseRegistry(first) : undefined
  return registry === undefined || repository === undefined ? undefined : { registry, repository }
}

/** Whether a text is the name of a repository: `library/alpine`. */
export function isRepository(text: string): boolean {
  return text.length <= maxNameLength && text.split('/').every((component) => componentPattern.test(component))
}

/** Whether a text can be a tag. */
export function isTag(text: string): boolean {
  return tagPattern.test(text)
}

/**
 * The name of a registry in the form in which references have it; `undefined` when it is no host with an optional
 * port.
 */
export function parseRegistry(text: string): string | undefined {
  const host = text.toLowerCase()
  // The pattern keeps out paths and user names; the URL parser knows which ports and addresses exist.
  if (!hostPattern.test(host) || !URL.canParse(`https://${host}/`)) return undefined
  return dockerHubAliases.has(host) ? dockerHub : host
}

function parseName(name: string, text: string): Pick<Reference, 'registry' | 'repository'> {
  const [first, rest] = splitOnce(name, name.indexOf('/'))
  const hasRegistry = rest !== undefined && looksLikeHost(first)
  const registry = hasRegistry ? normalizeRegistry(first, text) : dockerHub
  const path = hasRegistry ? rest : name
  const repository = registry === dockerHub && !path.includes('/') ? `library/${path}` : path
  if (!repository.split('/').every((component) => componentPattern.test(component))) {
    throw badName(
      text,
      'a repository is lower-case letters and digits, with ".", "_" or "-" between them',
    )
  }
  if (registry.length + 1 + repository.length > maxNameLength) {
    throw badName(text, `registry and repository are longer than ${maxNameLength} characters`)
  }
  return { registry, repository }
}

/** No part of a repository's name is like that but where it is not the first. */
function looksLikeHost(first: string): boolean {
  return /[.:]/.test(first) || first === 'localhost'
}

function normalizeRegistry(text: string, reference: string): string {
  const registry = parseRegistry(text)
  if (registry === undefined) {
    throw badName(reference, `${quoted(text)} is not a host with an optional port`)
  }
  return registry
}

/** The text before and after the character at `index`; all of it, and nothing, when that is -1. */
function splitOnce(text: string, index: number): [string, string | undefined] {
  return index < 0 ? [text, undefined] : [text.slice(0, index), text.slice(index + 1)]
}

function badName(text: string, reason: string): RequestError {
  return new RequestError(
    'ERR_REQUEST_NAME',
    `${quoted(text)} is not registry/repository:tag or registry/repository@sha256:…: ${reason}`,
  )
}
