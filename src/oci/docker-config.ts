import { RequestError } from '../core/errors.ts'
import type { CredentialTarget, RegistryAuth } from './credential.ts'
import { isRecord, parseJsonObject } from './json.ts'

/** Under this name Docker keeps the credentials of Docker Hub. */
const dockerHubKey = 'https://index.docker.io/v1/'
const dockerHubHosts: ReadonlySet<string> = new Set([
  'docker.io',
  'index.docker.io',
  'registry-1.docker.io',
])

/** Where a configuration file says that credentials are. */
export type CredentialPlace =
  | { readonly kind: 'auth'; readonly auth: RegistryAuth }
  /** Ask `docker-credential-<helper>` for `serverUrl`. */
  | { readonly kind: 'helper'; readonly helper: string; readonly serverUrl: string }

type JsonObject = Readonly<Record<string, unknown>>

/**
 * Finds a repository's credentials in the text of a `config.json` of Docker or an `auth.json` of podman: its places,
 * the best first. Podman's keys may name a namespace (`registry/team`); the longest that fits wins.
 *
 * @param path - of the file, for messages; they never show what is in it
 * @throws {@link RequestError} `ERR_REQUEST_OPTION` when the file is malformed, where that matters for this target
 * @see {@link https://docs.docker.com/reference/cli/docker/login/#credential-stores}
 * @see {@link https://github.com/containers/image/blob/main/docs/containers-auth.json.5.md}
 */
export function findCredentials(
  config: Uint8Array,
  target: CredentialTarget,
  path: string,
): CredentialPlace[] {
  const json = parseJsonObject(config)
  if (!json) throw malformed(path, 'it is not a JSON object')
  const serverUrl = dockerHubHosts.has(target.registry) ? dockerHubKey : target.registry
  const places: CredentialPlace[] = []
  const helper = lookUp(section(json, 'credHelpers', path), target) ?? json['credsStore']
  if (typeof helper === 'string' && helper) {
    if (!/^[\w.-]+$/.test(helper)) {
      throw malformed(path, 'a credential helper has a name that no program has')
    }
    places.push({ kind: 'helper', helper, serverUrl })
  }
  const auth = parseAuth(lookUp(section(json, 'auths', path), target), path)
  if (auth) places.push({ kind: 'auth', auth })
  return places
}

/** The entry whose key is the longest that covers the target. */
function lookUp(entries: JsonObject, target: CredentialTarget): unknown {
  const byKey = new Map(Object.entries(entries).map(([key, value]) => [normalizeKey(key), value]))
  const host = normalizeKey(target.registry)
  const parts = [host, ...target.repository.split('/')]
  for (let count = parts.length; count > 0; count--) {
    const key = parts.slice(0, count).join('/')
    if (byKey.has(key)) return byKey.get(key)
  }
  return undefined
}

/** Docker writes hosts, and old versions URLs whose path says nothing; podman writes hosts with a namespace. */
function normalizeKey(key: string): string {
  const withoutScheme = key.replace(/^https?:\/\//, '')
  const named =
    withoutScheme === key ? withoutEnd(key, '/') : (withoutScheme.split('/', 1)[0] ?? '')
  const [host = '', ...namespace] = named.split('/')
  const name = host.toLowerCase()
  return [dockerHubHosts.has(name) ? 'docker.io' : name, ...namespace].join('/')
}

function section(json: JsonObject, name: string, path: string): JsonObject {
  const value = json[name]
  if (value === undefined || value === null) return {}
  if (!isRecord(value)) throw malformed(path, `${name} is not an object`)
  return value
}

function parseAuth(entry: unknown, path: string): RegistryAuth | undefined {
  if (entry === undefined || entry === null) return undefined
  if (!isRecord(entry)) throw malformed(path, 'an entry of auths is not an object')
  const field = (name: string): string | undefined => {
    const value = entry[name]
    if (value !== undefined && typeof value !== 'string') {
      throw malformed(path, `${name} is not text`)
    }
    return value === '' ? undefined : value
  }
  const registryToken = field('registrytoken')
  if (registryToken !== undefined) return { registryToken }
  const identityToken = field('identitytoken')
  if (identityToken !== undefined) return { identityToken }
  const pair = field('auth')
  if (pair !== undefined) return decodePair(pair, path)
  const [username, password] = [field('username'), field('password')]
  return username !== undefined && password !== undefined
    ? passwordAuth(username, password)
    : undefined
}

function decodePair(pair: string, path: string): RegistryAuth {
  const text = Buffer.from(pair, 'base64').toString('utf8')
  const colon = text.indexOf(':')
  if (colon < 0) throw malformed(path, 'an auth is not the base64 form of user:password')
  // Old versions of Docker padded passwords with zero bytes.
  return passwordAuth(text.slice(0, colon), withoutEnd(text.slice(colon + 1), '\0'))
}

/** A text without such characters at its end. A pattern would look at each run of them again and again. */
function withoutEnd(text: string, character: string): string {
  let end = text.length
  while (text[end - 1] === character) end--
  return text.slice(0, end)
}

/** A user name of `<token>` says that the password is an identity token; files and helpers alike. */
export function passwordAuth(username: string, password: string): RegistryAuth {
  return username === '<token>' ? { identityToken: password } : { username, password }
}

function malformed(path: string, reason: string): RequestError {
  return new RequestError(
    'ERR_REQUEST_OPTION',
    `the credentials file ${path} is malformed: ${reason}`,
  )
}
