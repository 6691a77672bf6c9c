import fc from 'fast-check'
import { parseAuthorization } from '../../src/mirror/authorization-header.ts'
import { parseDistributionPath, type ParsedPath } from '../../src/mirror/distribution-path.ts'
import { Refusal } from '../../src/mirror/refusal.ts'
import type { RegistryAuth } from '../../src/oci/credential.ts'
import { parseNextPage } from '../../src/oci/next-page.ts'
import { bytesOfHeader, bytesOfText, decoder, headerOf, textOf, type Decoder } from './decoder.ts'

const digest = `sha256:${'0f'.repeat(32)}`
const paths = fc.constantFrom(
  '/v2/',
  '/v2/library/alpine/manifests/3.20?ns=docker.io',
  `/v2/reg.example:5000/a/b/blobs/${digest}`,
  '/v2/a/tags/list?n=10&last=x',
  `/v2/a/referrers/${digest}?artifactType=a%2Fb`,
)
const authorizations = fc.constantFrom('Basic bWU6c2VjcmV0', 'Bearer abc.def', 'basic bWU6', 'BEARER x')
const links = fc.constantFrom('</v2/a/tags/list?n=1&last=b>; rel="next"', '<https://reg.example/?last=x>; title=y; rel=next', '<?n=1>; rel="prev", <?n=3>; rel="next"')

function unlessRefused<Value extends object>(value: Value | Refusal): Value | undefined {
  return value instanceof Refusal ? undefined : value
}

/** What clients of a mirror, and registries that it asks for them, write. */
export const mirrorDecoders: readonly Decoder[] = [
  decoder<ParsedPath>({
    name: 'distribution-path',
    covers: ['mirror/distribution-path.ts#parseDistributionPath'],
    kind: 'text',
    read: (bytes) => unlessRefused(parseDistributionPath(textOf(bytes))),
    samples: paths.map(bytesOfText),
    words: ['/v2/', '/manifests/', '/blobs/', '/tags/list', '/referrers/', digest, 'sha256:', '?ns=', '&ns=', '..', '//', '%2e', '%00', '@', ':', 'http://'],
    maxUnits: (inputBytes) => 4 * inputBytes + 256,
    holds: ({ request }) => request.kind === 'base' || !request.repository.split('/').some((part) => part === '' || part === '.' || part === '..'),
  }),
  decoder<RegistryAuth>({
    name: 'authorization-header',
    covers: ['mirror/authorization-header.ts#parseAuthorization'],
    kind: 'text',
    read: (bytes) => unlessRefused(parseAuthorization(headerOf(bytes))),
    samples: authorizations.map(bytesOfHeader),
    words: ['Basic ', 'Bearer ', ' ', '=', '\n', ':', 'Og==', '\u00e9'],
    maxUnits: (inputBytes) => 4 * inputBytes + 64,
  }),
  decoder<{ readonly query: string }>({
    name: 'next-page',
    covers: ['oci/next-page.ts#parseNextPage'],
    kind: 'text',
    read: (bytes) => {
      const query = parseNextPage(headerOf(bytes), new URL('https://reg.example/v2/a/tags/list'), 'reg.example')
      return query === undefined ? undefined : { query }
    },
    samples: links.map(bytesOfHeader),
    words: ['<', '>', ';', 'rel="next"', 'rel=next', 'rel="prev"', '?', '//', ',', '\r\n'],
    // Escapes make it longer.
    maxUnits: (inputBytes) => 12 * inputBytes + 64,
    holds: ({ query }) => !/[\s<>"]/.test(query),
  }),
]
