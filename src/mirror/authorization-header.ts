import type { RegistryAuth } from '../oci/credential.ts'
import { Refusal } from './refusal.ts'

const maxHeaderLength = 8192

/** Credentials as clients send them; nothing of them is said in a refusal. */
export function parseAuthorization(header: string): RegistryAuth | Refusal {
  const malformed = new Refusal(400, 'UNAUTHORIZED', 'the Authorization header is malformed')
  if (header.length > maxHeaderLength || /[^\x20-\x7e]/.test(header)) return malformed
  const [, scheme = '', text = ''] = /^(\w+) +(\S+)$/.exec(header) ?? []
  if (scheme.toLowerCase() === 'bearer') return { registryToken: text }
  if (scheme.toLowerCase() !== 'basic' || !/^[A-Za-z0-9+/]+={0,2}$/.test(text)) return malformed
  const pair = Buffer.from(text, 'base64').toString('utf8')
  const colon = pair.indexOf(':')
  return colon < 0 ? malformed : { username: pair.slice(0, colon), password: pair.slice(colon + 1) }
}
