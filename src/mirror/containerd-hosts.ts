import { RequestError } from '../core/errors.ts'
import { findBlock, insertBlock, removeBlock } from './marked-block.ts'
import { firstTableOffset, isSameToml, parseToml, tableOf } from './toml-text.ts'

/** What a `hosts.toml` is to say of the mirror. */
export interface HostsInit {
  /** For errors. */
  readonly path: string
  /** `http://127.0.0.1:5001`. */
  readonly mirrorUrl: string
  /** Where the registry answers, if not at its name; goes into files of our own only. */
  readonly serverUrl?: string | undefined
  /** Names of other files in its folder: containerd uses certificates there by itself only while there is no `hosts.toml`. */
  readonly neighbours: readonly string[]
}

/**
 * Puts the mirror into a `hosts.toml`, before the hosts that are in it; everything else stays as it is, to the byte. A second time changes nothing.
 *
 * @param text - `undefined` where there is no file
 * @throws {@link RequestError} that says where the file is malformed, or why it cannot be merged
 * @see {@link https://github.com/containerd/containerd/blob/main/docs/hosts.md}
 */
export function mergeContainerdHosts(text: string | undefined, init: HostsInit): string {
  const own = text === undefined ? undefined : findBlock(text, init.path)
  const users = own && text !== undefined ? removeBlock(text, own) : text
  if (users === undefined || (own?.kind === 'file' && users === '')) return insertBlock('', 0, 'file', newFile(init))
  const before = parseToml(users, init.path)
  if (tableOf(before, 'host', init.mirrorUrl)) return users
  // A file that was ours alone has become the user's by what was written into it, but what we carried into it is still needed.
  const lines = own?.kind === 'file' ? newFile(init) : hostLines(init)
  const merged = insertBlock(users, own?.kind === 'file' ? 0 : firstTableOffset(users), own?.kind ?? 'part', lines)
  check(merged, init, users)
  return merged
}

function hostLines({ mirrorUrl }: HostsInit): string[] {
  return [`[host."${mirrorUrl}"]`, '  capabilities = ["pull", "resolve"]']
}

function newFile(init: HostsInit): string[] {
  const { serverUrl, neighbours } = init
  const ca = neighbours.filter((name) => name.endsWith('.crt')).toSorted()
  const client = neighbours
    .filter((name) => name.endsWith('.cert') && neighbours.includes(name.replace(/cert$/, 'key')))
    .toSorted()
    .map((name) => [name, name.replace(/cert$/, 'key')])
  const keys = [
    ...(serverUrl === undefined ? [] : [`server = ${JSON.stringify(serverUrl)}`]),
    ...(ca.length > 0 ? [`ca = ${JSON.stringify(ca)}`] : []),
    ...(client.length > 0 ? [`client = ${JSON.stringify(client)}`] : []),
  ]
  return [...keys, ...(keys.length > 0 ? [''] : []), ...hostLines(init)]
}

/** What the user wrote means what it meant, and ours is in it. */
function check(merged: string, init: HostsInit, users: string): void {
  const wanted = parseToml(users, init.path)
  try {
    const { host, ...rest } = parseToml(merged, init.path)
    const { [init.mirrorUrl]: mirror, ...others } = tableOf({ host: host ?? {} }, 'host') ?? {}
    const { host: usersHost = {}, ...usersRest } = wanted
    const kept = Object.entries(usersRest).every(([key, value]) => isSameToml(rest[key], value))
    if (mirror !== undefined && kept && isSameToml(others, usersHost)) return
  } catch (cause) {
    throw cannotMerge(init, cause)
  }
  throw cannotMerge(init)
}

function cannotMerge(init: HostsInit, cause?: unknown): RequestError {
  const line = hostLines(init).map((text) => text.trim())
  return new RequestError('ERR_REQUEST_OPTION', `${init.path} is written in a way that nothing can be put into: add by hand ${line.join(' with ')}`, { cause })
}
