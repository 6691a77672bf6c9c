import { stringify } from 'smol-toml'
import { RequestError } from '../core/errors.ts'
import { findBlock, insertBlock, removeBlock } from './marked-block.ts'
import { isTable, parseToml, type TomlTable } from './toml-text.ts'

/** What the drop-in is to say of the mirror. */
export interface RegistriesInit {
  /** For errors. */
  readonly path: string
  /** `http://127.0.0.1:5001`. */
  readonly mirrorUrl: string
  readonly upstreams: readonly { readonly registry: string; readonly url?: string | undefined }[]
  /** The other files that are read with it, in the order in which they are: of two that say something of one registry, the later one counts alone. */
  readonly others: readonly { readonly path: string; readonly text: string }[]
}

/**
 * The drop-in for podman, buildah, skopeo and CRI-O. What other files say of the same registries is carried over, for a drop-in replaces it.
 *
 * @param text - of the drop-in as it is, if it is there
 * @returns its text, and the files of which something was carried over
 * @throws {@link RequestError} that says where a file is malformed, or why the mirror cannot be put before a registry
 * @see {@link https://github.com/containers/image/blob/main/docs/containers-registries.conf.5.md}
 */
export function mergeRegistriesConf(text: string | undefined, init: RegistriesInit): { readonly text: string; readonly carriedFrom: readonly string[] } {
  const own = text === undefined ? undefined : findBlock(text, init.path)
  const users = own && text !== undefined ? removeBlock(text, own) : text
  if (users !== undefined && users.trim() !== '') {
    throw new RequestError('ERR_REQUEST_OPTION', `${init.path} has lines that damselfly did not write: move them to another file of that folder`)
  }
  const carriedFrom = new Set<string>()
  const lines: string[] = []
  for (const upstream of init.upstreams) {
    const known = usersEntry(upstream.registry, init)
    if (known) carriedFrom.add(known.path)
    const entry = { registry: [entryOf(upstream, init.mirrorUrl, known?.entry)] }
    if (lines.length > 0) lines.push('')
    if (known) lines.push(`# carried over from ${known.path}, which counts no more for ${upstream.registry}`)
    lines.push(...linesOf(entry, known?.path ?? init.path))
  }
  return { text: insertBlock('', 0, 'file', lines), carriedFrom: [...carriedFrom] }
}

/** What is left of the drop-in without the mirror; `undefined` when nothing is. */
export function removeRegistriesConf(text: string, path: string): string | undefined {
  const own = findBlock(text, path)
  const rest = own ? removeBlock(text, own) : text
  return own && rest.trim() === '' ? undefined : rest
}

function linesOf(entry: TomlTable, path: string): string[] {
  try {
    return stringify(entry).trim().split('\n')
  } catch (cause) {
    throw new RequestError('ERR_REQUEST_OPTION', `${path} nests tables deeper than can be carried over; nothing was written`, { cause })
  }
}

function entryOf({ registry, url }: RegistriesInit['upstreams'][number], mirrorUrl: string, users: TomlTable | undefined): TomlTable {
  const mirror = new URL(mirrorUrl)
  // With the registry in its path, a location is understood by mirrors that stand in for several.
  const own: TomlTable = { location: `${mirror.host}/${registry}`, ...(mirror.protocol === 'http:' && { insecure: true }) }
  const others = Array.isArray(users?.['mirror']) ? users['mirror'].filter(isTable).filter(({ location }) => location !== own['location']) : []
  const origin = url === undefined ? undefined : new URL(url)
  const usual: TomlTable = {
    prefix: registry,
    location: origin ? `${origin.host}${origin.pathname.replace(/\/$/, '')}` : registry,
    ...(origin?.protocol === 'http:' && { insecure: true }),
  }
  return { ...usual, ...users, mirror: [own, ...others] }
}

/** The entry that counts for a registry in the files that are not ours. */
function usersEntry(registry: string, { path, others }: RegistriesInit): { readonly entry: TomlTable; readonly path: string } | undefined {
  let found: { entry: TomlTable; path: string } | undefined
  for (const other of others) {
    const config = parseToml(other.text, other.path)
    if (config['registries'] !== undefined) {
      throw new RequestError('ERR_REQUEST_OPTION', `${other.path} is in the first version of its format, which knows no mirrors: write it anew with [[registry]]`)
    }
    const list = Array.isArray(config['registry']) ? config['registry'].filter(isTable) : []
    const entry = list.findLast((each) => (each['prefix'] ?? each['location']) === registry)
    if (!entry) continue
    if (isAfter(other.path, path)) {
      throw new RequestError('ERR_REQUEST_OPTION', `${other.path} is read after ${path}, and says something of ${registry}: give it a name that sorts before`)
    }
    found = { entry, path: other.path }
  }
  return found
}

function isAfter(other: string, path: string): boolean {
  const folder = path.slice(0, path.lastIndexOf('/') + 1)
  return other.startsWith(folder) && other > path
}
