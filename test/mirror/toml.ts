import { parse } from 'smol-toml'

/** What a TOML text says, with tables as they are written in tests. */
export function tomlOf(text: string): Record<string, unknown> {
  return structuredClone(parse(text))
}
