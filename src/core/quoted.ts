const maxShownLength = 100

/** What somebody else wrote, fit for a message: text in quotes, cut, with nothing in it that moves a cursor; of anything else, what it is. */
export function quoted(value: unknown): string {
  if (typeof value === 'string') {
    // The cut may leave half of a character.
    const shown = value.slice(0, maxShownLength).toWellFormed()
    const plain = shown.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '\ufffd')
    return `${JSON.stringify(plain)}${value.length > maxShownLength ? '…' : ''}`
  }
  if (Array.isArray(value)) return 'a list'
  return typeof value === 'object' && value !== null ? 'an object' : String(value)
}
