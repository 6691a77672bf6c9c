const maxShownLength = 100
/** What stands before the host of an address, `user:password@`; what follows the `@` of a reference is a digest. */
const userInfo = /^([a-z][a-z0-9+.-]*:\/\/)?[^/@]*@(?!sha\d+:)/i

/** What somebody else wrote, fit for a message: text in quotes, cut, with nothing in it that moves a cursor and no password of an address; of anything else, what it is. */
export function quoted(value: unknown): string {
  if (typeof value === 'string') {
    // The cut may leave half of a character.
    const shown = value.replace(userInfo, '$1[redacted]@').slice(0, maxShownLength).toWellFormed()
    const plain = shown.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '\ufffd')
    return `${JSON.stringify(plain)}${value.length > maxShownLength ? '…' : ''}`
  }
  if (Array.isArray(value)) return 'a list'
  return typeof value === 'object' && value !== null ? 'an object' : String(value)
}
