import { findBlock, insertBlock } from './marked-block.ts'
import { isSameToml, isTable, parseToml, tableOf, type TomlTable } from './toml-text.ts'

/** Where containerd looks for `hosts.toml`, if its `config_path` says so. */
export const certsFolder = '/etc/containerd/certs.d'

/** What `config.toml` says of registries. */
export type ConfigPathVerdict =
  | { readonly kind: 'set' }
  /** It is not said where to look; the header of the table that is to say it. */
  | { readonly kind: 'unset'; readonly header: string }
  | { readonly kind: 'elsewhere'; readonly configPath: string }
  /** The older way, which excludes the newer one. */
  | { readonly kind: 'legacy' }

/**
 * Whether the image service of containerd reads {@link certsFolder}.
 * @param text - `undefined` where there is no file
 * @throws {@link RequestError} that says where the file is malformed
 */
export function checkContainerdConfig(text: string | undefined, path: string): ConfigPathVerdict {
  const config = parseToml(text ?? '', path)
  const names = tableNames(text === undefined ? { version: 2 } : config)
  const registry = tableOf(config, ...names)
  const configPath = registry?.['config_path']
  if (typeof configPath === 'string' && configPath !== '') {
    const isSet = configPath.split(':').some((folder) => folder.replace(/\/+$/, '') === certsFolder)
    return isSet ? { kind: 'set' } : { kind: 'elsewhere', configPath }
  }
  if (isFilled(registry?.['mirrors']) || isFilled(registry?.['configs'])) return { kind: 'legacy' }
  return { kind: 'unset', header: printHeader(names) }
}

/**
 * Sets `config_path` where it is not set; everything else stays as it is, to the byte.
 * @returns `undefined` where the file is written in a way that this cannot be done for certain
 */
export function mergeContainerdConfig(text: string | undefined, path: string): string | undefined {
  const verdict = checkContainerdConfig(text, path)
  if (verdict.kind !== 'unset') return text
  const names = tableNames(text === undefined ? { version: 2 } : parseToml(text, path))
  const line = `  config_path = "${certsFolder}"`
  if (text === undefined) return insertBlock('', 0, 'file', ['version = 2', '', verdict.header, line])
  if (findBlock(text, path)) return undefined
  const header = headerPattern(names).exec(text)
  if (!header) return checked(insertBlock(text, text.length, 'part', [verdict.header, line]), text, names, path)
  const bodyStart = header.index + header[0].length
  const next = /^[ \t]*\[/m.exec(text.slice(bodyStart))
  const body = text.slice(bodyStart, next ? bodyStart + next.index : text.length)
  const empty = /^[ \t]*config_path[ \t]*=[ \t]*(?:""|'')[ \t]*(?:#[^\n]*)?(?:\r?\n|$)/m.exec(body)
  const at = empty ? bodyStart + empty.index : bodyStart
  return checked(insertBlock(text, at, 'part', [line], empty?.[0].length), text, names, path)
}

/** What the user wrote means what it meant, and `config_path` is set. */
function checked(merged: string, text: string, names: readonly string[], path: string): string | undefined {
  try {
    const after = parseToml(merged, path)
    if (tableOf(after, ...names)?.['config_path'] !== certsFolder) return undefined
    return isSameToml(without(after, names), without(parseToml(text, path), names)) ? merged : undefined
  } catch {
    return undefined
  }
}

/** A copy of a table without `config_path`, nor tables on the way to it that are empty then. */
function without(table: TomlTable, [name, ...names]: readonly string[]): TomlTable {
  const { [name ?? 'config_path']: inner, ...others } = table
  if (name === undefined || !isTable(inner)) return others
  const rest = without(inner, names)
  return Object.keys(rest).length > 0 ? { ...others, [name]: rest } : others
}

/** The table's name depends on the version of the file. */
function tableNames({ version }: TomlTable): string[] {
  if (version === 3) return ['plugins', 'io.containerd.cri.v1.images', 'registry']
  return ['plugins', version === 2 ? 'io.containerd.grpc.v1.cri' : 'cri', 'registry']
}

function printHeader(names: readonly string[]): string {
  return `[${names.map((name) => (/^[\w-]+$/.test(name) ? name : `"${name}"`)).join('.')}]`
}

function headerPattern(names: readonly string[]): RegExp {
  const parts = names.map((name) => {
    const plain = name.replaceAll('.', String.raw`\.`)
    return /^[\w-]+$/.test(name) ? `(?:${plain}|"${plain}"|'${plain}')` : `(?:"${plain}"|'${plain}')`
  })
  return new RegExp(String.raw`^[ \t]*\[[ \t]*${parts.join(String.raw`[ \t]*\.[ \t]*`)}[ \t]*\][ \t]*(?:#[^\n]*)?\r?\n`, 'm')
}

function isFilled(value: unknown): boolean {
  return isTable(value) && Object.keys(value).length > 0
}
