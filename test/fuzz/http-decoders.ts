import fc from 'fast-check'
import type { ByteRange } from '../../src/core/byte-range.ts'
import { parseChallenges, type AuthChallenge } from '../../src/oci/auth-challenge.ts'
import { parseContentRange, parseRange, printContentRange, type ContentRange } from '../../src/oci/content-range.ts'
import { parseErrorBody, printErrorBody } from '../../src/oci/distribution-error.ts'
import { parseTarget } from '../../src/oci/http-origin.ts'
import { parseRateLimit, type RateLimitHeaders, type SpentLimit } from '../../src/oci/rate-limit.ts'
import { judgeRealm, type Realm } from '../../src/oci/realm-policy.ts'
import { followRedirect } from '../../src/oci/redirect-policy.ts'
import { maxRetryAfterMs, parseRetryAfter } from '../../src/oci/retry-after.ts'
import { Secret } from '../../src/core/secret.ts'
import { parseTokenAnswer } from '../../src/oci/token-source.ts'
import { bytesOfHeader, bytesOfText, codes, decoder, headerOf, jsonBytes, textOf, type Decoder } from './decoder.ts'

const now = Date.UTC(2026, 0, 15, 12, 0, 0)
const blobBytes = 1000
const registryUrl = new URL('https://reg.example/v2/')

const headerText = fc.string({ unit: 'grapheme-ascii', maxLength: 30 })
const quoted = (text: string): string => `"${text.replaceAll(/["\\]/g, '\\$&')}"`
const token = fc.stringMatching(/^[a-z][a-z0-9-]{0,10}$/)

const challenges: fc.Arbitrary<AuthChallenge[]> = fc.array(
  fc.tuple(token, fc.dictionary(token, headerText, { minKeys: 1, maxKeys: 5, noNullPrototype: true })).map(([scheme, parameters]) => ({
    scheme,
    parameters: new Map(Object.entries(parameters)),
  })),
  { minLength: 1, maxLength: 4 },
)

function printChallenges(list: readonly AuthChallenge[]): string {
  const print = ({ scheme, parameters }: AuthChallenge): string =>
    `${scheme} ${Array.from(parameters, ([name, value]) => `${name}=${quoted(value)}`).join(', ')}`
  return list.map(print).join(', ')
}

const contentRange: fc.Arbitrary<ContentRange> = fc.oneof(
  fc.tuple(fc.nat(), fc.integer({ min: 1, max: 2 ** 31 }), fc.option(fc.nat())).map(([offset, length, more]) => ({
    range: { offset, length },
    sizeBytes: more === null ? undefined : offset + length + more,
  })),
  fc.nat().map((sizeBytes) => ({ range: undefined, sizeBytes })),
)

/** Three lines: the headers, one after the other; tabs part their values. */
function rateLimitHeaders(bytes: Uint8Array): RateLimitHeaders {
  const [limit = [], remaining = [], reset = []] = headerOf(bytes).split('\n').map((line) => line.split('\t'))
  return { limit, remaining, reset }
}

const rateLimit = fc.tuple(fc.nat(3), fc.nat(90), fc.option(fc.nat(90)), token).map(([remaining, reset, window, name]) =>
  bytesOfHeader(`${quoted(name)};r=${remaining};t=${reset}${window === null ? '' : `;w=${window}`}\n${remaining};w=60\n${reset}`),
)

export const httpDecoders: readonly Decoder[] = [
  decoder<AuthChallenge[]>({
    name: 'www-authenticate',
    covers: ['oci/auth-challenge.ts#parseChallenges'],
    kind: 'text',
    // Several header lines, as Node hands them on.
    read: (bytes) => parseChallenges(headerOf(bytes).split('\n')),
    values: challenges,
    print: (list) => bytesOfHeader(printChallenges(list)),
    cutAfterBytes: 8192,
    words: ['Basic', 'Bearer ', 'Negotiate YII=', 'realm=', 'realm="', 'service="', 'scope="', '"', '\\', ',', ' , ', '=', '\n', '\\"'],
    maxUnits: (inputBytes) => 4 * inputBytes + 64,
    holds: (list) => list.length <= 16,
  }),
  decoder<ByteRange[]>({
    name: 'range',
    covers: ['oci/content-range.ts#parseRange'],
    kind: 'text',
    read: (bytes) => parseRange(headerOf(bytes), blobBytes),
    samples: fc.array(fc.tuple(fc.nat(500), fc.nat(700)), { minLength: 1, maxLength: 4 }).map((ranges) =>
      bytesOfHeader(`bytes=${ranges.map(([first, more]) => (first === 0 ? `-${more}` : `${first}-${first + more}`)).join(', ')}`),
    ),
    words: ['bytes=', 'bytes', '0-', '-1', '-', ',', '0-0', '999-', '1000-', '9007199254740992-'],
    maxUnits: (inputBytes) => 2 * inputBytes + 64,
    holds: (ranges) => ranges.length <= 64 && ranges.every(({ offset, length }) => offset >= 0 && length > 0 && offset + length <= blobBytes),
  }),
  decoder<ContentRange>({
    name: 'content-range',
    covers: ['oci/content-range.ts#parseContentRange'],
    kind: 'text',
    read: (bytes) => parseContentRange(headerOf(bytes)),
    values: contentRange,
    print: ({ range, sizeBytes }) => bytesOfHeader(sizeBytes === undefined ? printContentRange(range, 0).replace(/0$/, '*').replace(/\/\d+$/, '/*') : printContentRange(range, sizeBytes)),
    words: ['bytes ', 'bytes */', '/*', '/', '-', '*', '9007199254740992', '0-0/1'],
    holds: ({ range, sizeBytes }) =>
      (range !== undefined || sizeBytes !== undefined) &&
      (range === undefined || (range.offset >= 0 && range.length > 0 && range.offset + range.length <= (sizeBytes ?? Number.MAX_SAFE_INTEGER))),
  }),
  decoder<number>({
    name: 'retry-after',
    covers: ['oci/retry-after.ts#parseRetryAfter'],
    kind: 'text',
    read: (bytes) => parseRetryAfter(headerOf(bytes), now),
    samples: fc.oneof(
      fc.nat(100_000).map((seconds) => bytesOfHeader(String(seconds))),
      fc.date({ noInvalidDate: true, min: new Date(0), max: new Date(2 ** 42) }).map((date) => bytesOfHeader(date.toUTCString())),
    ),
    words: ['Mon, ', 'Thu, 15 Jan 2026 12:00:07 GMT', 'GMT', '1e3', '-5', '+00:00'],
    holds: (ms) => ms >= 0 && ms <= maxRetryAfterMs,
  }),
  decoder<SpentLimit>({
    name: 'rate-limit',
    covers: ['oci/rate-limit.ts#parseRateLimit'],
    kind: 'text',
    read: (bytes) => parseRateLimit(rateLimitHeaders(bytes), now) ?? { resetMs: undefined, windowMs: undefined },
    samples: rateLimit,
    words: ['"', '\\', ';', ',', '=', 'r=0', ';t=', ';w=', 'remaining=0', 'reset=', 'limit=', '99999999999', '\n', '\t'],
    holds: ({ resetMs = 0, windowMs = 0 }) => [resetMs, windowMs].every((ms) => ms >= 0 && ms <= maxRetryAfterMs),
  }),
  decoder<{ code: string; message: string }>({
    name: 'error-body',
    covers: ['oci/distribution-error.ts#parseErrorBody'],
    kind: 'json',
    read: parseErrorBody,
    samples: fc.tuple(fc.constantFrom('DENIED', 'NAME_UNKNOWN', 'TOOMANYREQUESTS'), fc.string({ unit: 'grapheme', maxLength: 40 })).map(([code, message]) =>
      bytesOfText(printErrorBody(code as 'DENIED', message)),
    ),
    words: ['\\u001b[31m', '\\u202e', '\\n', 'errors', 'code', 'message'],
    holds: ({ code, message }) => [code, message].every((text) => text.length <= 300 && !/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.test(text)),
  }),
  decoder<{ token: string; lifeSeconds: number }>({
    name: 'token-answer',
    covers: ['oci/token-source.ts#parseTokenAnswer'],
    kind: 'json',
    read: parseTokenAnswer,
    samples: fc.tuple(fc.stringMatching(/^[!-~]{1,40}$/), fc.nat(5000), fc.constantFrom('token', 'access_token')).map(([token, seconds, name]) =>
      jsonBytes({ [name]: token, expires_in: seconds, issued_at: '2026-01-01T00:00:00Z' }),
    ),
    words: ['token', 'access_token', 'expires_in', '\\r\\n', '\\u0000'],
    holds: ({ token, lifeSeconds }) => !/[^!-~]/.test(token) && lifeSeconds >= 60 && lifeSeconds <= 3600,
  }),
  decoder<{ url: string; headers: Readonly<Record<string, string>>; told: boolean }>({
    name: 'location',
    covers: ['oci/redirect-policy.ts#followRedirect'],
    kind: 'text',
    read(bytes) {
      const hop = { url: registryUrl, headers: { range: 'bytes=0-', cookie: 'c' }, authorization: new Secret('Bearer t'), redirects: 0 }
      const next = followRedirect(hop, headerOf(bytes))
      return { url: next.url.href, headers: next.headers, told: next.authorization !== undefined }
    },
    refuses: codes('ERR_ORIGIN_REDIRECT'),
    samples: fc.oneof(fc.webUrl({ withQueryParameters: true, validSchemes: ['https'] }), fc.webPath().map((path) => `/v2${path}`)).map(bytesOfHeader),
    words: ['http://', 'https://', '//', '///', 'file:', 'javascript:', '@', '\\', '?', '#', '..', '%2f', '[::1]', '0x7f000001', '\t', 'reg.example', 'reg.example:443', 'REG.example.'],
    // Percent signs make one byte into three, in the path and again in the query.
    maxUnits: (inputBytes) => 12 * inputBytes + 256,
    holds: ({ url, headers, told }) => url.startsWith('https://') && (new URL(url).origin === registryUrl.origin || (!told && headers['cookie'] === undefined)),
  }),
  decoder<{ url: string; trusted: boolean }>({
    name: 'realm',
    covers: ['oci/realm-policy.ts#judgeRealm'],
    kind: 'text',
    read(bytes) {
      const { url, trusted }: Realm = judgeRealm(headerOf(bytes), { url: registryUrl, insecure: false, trustedRealms: ['auth.example'] })
      return { url: url.href, trusted }
    },
    refuses: codes('ERR_ORIGIN_REALM'),
    samples: fc.webUrl({ withQueryParameters: true, validSchemes: ['https'] }).map(bytesOfHeader),
    words: ['http://', 'https://auth.example/token', 'https://reg.example', '@', '\\', '.auth.example', 'auth.example.', '127.0.0.1', '[::ffff:7f00:1]', '%'],
    maxUnits: (inputBytes) => 12 * inputBytes + 256,
    holds: ({ url, trusted }) => url.startsWith('https://') && (!trusted || ['auth.example', 'reg.example'].includes(new URL(url).host)),
  }),
  decoder<string>({
    name: 'web-origin',
    covers: ['oci/http-origin.ts#parseTarget'],
    kind: 'text',
    read: (bytes) => parseTarget(textOf(bytes)).href,
    refuses: codes('ERR_REQUEST_OPTION'),
    samples: fc.webUrl({ validSchemes: ['https', 'http'] }).map(bytesOfText),
    words: ['http://', 'ftp://', 'user:pass@', '@', '?', '#'],
    maxUnits: (inputBytes) => 12 * inputBytes + 256,
  }),
]
