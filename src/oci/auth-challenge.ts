/** One way in which a server offers to be convinced. */
export interface AuthChallenge {
  /** Lower-case: `basic`, `bearer`. */
  readonly scheme: string
  /** Names are lower-case; the first of two equal names wins. */
  readonly parameters: ReadonlyMap<string, string>
}

/** Longer headers are cut, in characters: no registry needs as much, and none may make us parse more. */
const maxHeaderLength = 8192
const maxChallenges = 16

const separators = /[ \t]*(?:,[ \t]*)*/y
const scheme = /([!#$%&'*+.^_`|~0-9A-Za-z-]+)(?=[ \t,]|$)/y
/** Credentials in one word (`Negotiate YII=`); read so that it can be skipped. */
const token68 = /[ \t]+[A-Za-z0-9._~+/-]+=*[ \t]*(?=,|$)/y
/** A value out of quotes may be an address: not by the rules, but some registries do it. */
const parameter =
  /([!#$%&'*+.^_`|~\w-]+)[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([!#$%&'*+.^_`|~\w:/?=-]+))/y

/**
 * Reads `WWW-Authenticate`, of which there may be several, each with several challenges. Reading stops at the first
 * thing that is none; what came before counts.
 *
 * @see {@link https://www.rfc-editor.org/rfc/rfc9110#section-11.6.1}
 */
export function parseChallenges(header: string | readonly string[] | undefined): AuthChallenge[] {
  const lines = header === undefined ? [] : typeof header === 'string' ? [header] : header
  return lines.flatMap((line) => parseLine(line.slice(0, maxHeaderLength))).slice(0, maxChallenges)
}

function parseLine(line: string): AuthChallenge[] {
  const challenges: AuthChallenge[] = []
  let position = 0
  const take = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = position
    const match = pattern.exec(line)
    if (match) position = pattern.lastIndex
    return match
  }
  for (;;) {
    take(separators)
    const name = take(scheme)?.[1]
    if (name === undefined) return challenges
    const parameters = new Map<string, string>()
    if (!take(token68)) {
      for (;;) {
        take(separators)
        const match = take(parameter)
        if (!match) break
        const key = match[1]?.toLowerCase() ?? ''
        const value = match[2]?.replaceAll(/\\(.)/g, '$1') ?? match[3] ?? ''
        if (!parameters.has(key)) parameters.set(key, value)
      }
    }
    challenges.push({ scheme: name.toLowerCase(), parameters })
  }
}
