/** Longest pattern, in bytes of UTF-8. */
export const maxPatternBytes = 255
const maxParts = 64

/** A pattern of repository names, read; docs/spec/sharing.md. */
export interface RepositoryPattern {
  readonly text: string
  readonly parts: readonly string[]
  /** It ends in `**`: more parts may follow, or none. */
  readonly open: boolean
}

/** Reads a pattern such as `registry.example/team/**`; `undefined` when it is none. */
export function parsePattern(text: string): RepositoryPattern | undefined {
  if (new TextEncoder().encode(text).byteLength > maxPatternBytes) return undefined
  const parts = text.split('/')
  const open = parts.at(-1) === '**'
  if (open) parts.pop()
  const fits = parts.length <= maxParts && parts.every((part) => part === '*' || /^[^\s*/]+$/.test(part))
  return fits && (open || parts.length > 1) ? { text, parts, open } : undefined
}

/** Whether a pattern is for a repository, `registry/repository`; that of a blob without one is empty. */
export function matchesPattern({ parts, open }: RepositoryPattern, repository: string): boolean {
  if (repository === '') return open && parts.length === 0
  const names = repository.split('/')
  if (open ? names.length < parts.length : names.length !== parts.length) return false
  return parts.every((part, index) => part === '*' || part === names[index])
}
