const oldest = { major: 22, minor: 19 }

/** What is wrong with this version of Node, for its user; nothing when it will do. */
export function nodeVersionProblem(version: string): string | undefined {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  if (major > oldest.major || (major === oldest.major && minor >= oldest.minor)) return undefined
  return `damselfly needs Node ${oldest.major}.${oldest.minor} or later and runs on ${version}: install a newer Node`
}
