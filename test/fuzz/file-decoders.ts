import { crc32 } from 'node:zlib'
import fc from 'fast-check'
import { InvalidArgumentError } from 'commander'
import { readSettings, type GivenFlags, type Settings } from '../../src/cli/config.ts'
import { commonFlags, configureFlags, envName, mirrorFlags, toFlag } from '../../src/cli/flags.ts'
import { digestOf } from '../../src/core/digest.ts'
import { pieceLayout } from '../../src/core/piece-layout.ts'
import { DamagedFile, parseBans } from '../../src/net/ban-file.ts'
import { parseIdentitySeed } from '../../src/net/identity.ts'
import { parseNetworkKey } from '../../src/net/network-key.ts'
import { decodeHashes, decodeRecord, encodeHashes, encodeRecord, type BlobRecord } from '../../src/store/blob-facts.ts'
import { parseIdentity, type ProcessIdentity } from '../../src/store/fs-owners.ts'
import { decodeJournal, encodeJournalHeader, encodeJournalRecords, journalHeaderBytes, replayJournal, type Journal, type JournalRecord } from '../../src/store/journal.ts'
import { decodeVerdicts, encodeVerdicts, type VerdictRow } from '../../src/swarm/repository-verdicts.ts'
import { BanList, maxBanMs, type SavedBan } from '../../src/trust/ban-list.ts'
import { bytes } from '../wire/arbitrary-message.ts'
import { bytesOfText, codes, decoder, jsonBytes, textOf, type Decoder } from './decoder.ts'
import { fromJson } from './value-decoders.ts'

const digest = digestOf(Buffer.from('a blob'))
const recordBytes = 48

const journal: fc.Arbitrary<Journal> = fc.constantFrom(0, 5, 3 * 2 ** 20, 2 ** 31).chain((sizeBytes) => {
  const layout = pieceLayout(sizeBytes)
  const piece = fc.nat(Math.max(0, layout.pieceCount - 1))
  const record: fc.Arbitrary<JournalRecord> = fc.oneof(
    ...(layout.pieceCount > 0
      ? [
          fc.record({ type: fc.constant('stored' as const), piece, fromOrigin: fc.boolean(), hash: bytes(32, 32) }, { noNullPrototype: true }),
          fc.record({ type: fc.constant('dropped' as const), piece }, { noNullPrototype: true }),
        ]
      : []),
    fc.constantFrom({ type: 'private' } as const, { type: 'opened' } as const, { type: 'clean' } as const),
  )
  return fc.array(record, { maxLength: 12 }).map((records) => ({ digest, layout, records, endBytes: journalHeaderBytes + recordBytes * records.length }))
})

function printJournal({ digest, layout, records }: Journal): Uint8Array {
  const header = encodeJournalHeader(digest, layout)
  return Buffer.concat([header, encodeJournalRecords(records, header, journalHeaderBytes)])
}

/** Checksums of the header and of each record, and the numbers of the records, as a writer of bad faith would make them. */
function sealJournal(drawn: Uint8Array): Uint8Array {
  const sealed = Buffer.from(drawn)
  if (sealed.byteLength < journalHeaderBytes) return sealed
  const seed = crc32(sealed.subarray(0, 60))
  sealed.writeUInt32BE(seed, 60)
  for (let start = journalHeaderBytes; start + recordBytes <= sealed.byteLength; start += recordBytes) {
    sealed.writeUInt32BE((start - journalHeaderBytes) / recordBytes, start + 40)
    sealed.writeUInt32BE(crc32(sealed.subarray(start, start + 44), seed), start + 44)
  }
  return sealed
}

const record: fc.Arbitrary<BlobRecord> = fc.record(
  { sizeBytes: fc.nat(), private: fc.boolean(), pinned: fc.boolean(), usedAtMs: fc.nat(), mediaType: fc.string({ unit: 'binary', maxLength: 30 }), repositories: fc.array(fc.string({ maxLength: 20 }), { maxLength: 5 }) },
  { requiredKeys: ['sizeBytes', 'pinned', 'usedAtMs'], noNullPrototype: true },
)

function sealRecord(drawn: Uint8Array): Uint8Array {
  const text = textOf(drawn).replace(/^\{"crc32":\d*,"record":/, '').replace(/\}\s*$/, '')
  return bytesOfText(`{"crc32":${crc32(digest + text)},"record":${text}}\n`)
}

const savedBan: fc.Arbitrary<SavedBan> = fc.record(
  {
    peerId: fc.constantFrom('12D3KooWGC6TvWhfapngX6wvJHMYvKpDMXPb3ZnCZ6dMoaMtimQ5', 'QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N'),
    reason: fc.constantFrom('piece-hash', 'claim', 'protocol', 'limit'),
    level: fc.integer({ min: 1, max: 9 }),
    leftMs: fc.nat(maxBanMs),
    overMs: fc.nat(maxBanMs),
  },
  { noNullPrototype: true },
)

const identity: fc.Arbitrary<ProcessIdentity> = fc.record(
  {
    pid: fc.nat(),
    startTicks: fc.nat().map(String),
    bootId: fc.constantFrom('', '11111111-2222-3333-4444-555555555555'),
    pidNamespace: fc.oneof(fc.constant(''), fc.nat().map((number) => `pid:[${number}]`)),
  },
  { noNullPrototype: true },
)

const hexKey = bytes(32, 32).map((key) => bytesOfText(Buffer.from(key).toString('hex')))

/** What flags may be whose values have a form; the others take any text. */
const flagText: Record<string, fc.Arbitrary<string>> = {
  backend: fc.constantFrom('fs', 'containerd=/var/lib/containerd'),
  listen: fc.constant('/ip4/127.0.0.1/tcp/1'),
  peer: fc.constant('/dns4/a/tcp/1'),
  supernode: fc.constant('/dns4/a/tcp/1'),
  discovery: fc.constantFrom('dht', 'mdns', 'dns=db:4001', 'none'),
  platform: fc.constant('linux/arm64/v8'),
  insecure: fc.constant('localhost:5000'),
  origin: fc.constantFrom('auto', 'never'),
  role: fc.constantFrom('peer', 'supernode'),
  share: fc.constantFrom('a.example/**=public', 'network=network', '**=grant:one+two'),
  'trusted-range': fc.constantFrom('10.0.0.0/8', 'fd00::/8'),
  upstream: fc.constantFrom('a.example', 'a.example:5000=https://10.0.0.7/mirror'),
  'mirror-auth': fc.constantFrom('node', 'passthrough'),
}
const flags = [...commonFlags, toFlag, ...mirrorFlags, ...configureFlags]
/** What a shell and commander hand on: `{ flags, env }`. */
const settings = fc
  .record({
    flags: fc.record(
      Object.fromEntries(
        flags.map(({ name, value, repeatable }) => {
          const text = flagText[name] ?? fc.constant('x')
          return [name, value === undefined ? fc.boolean() : repeatable ? text.map((one) => [one]) : text]
        }),
      ),
      { requiredKeys: [], noNullPrototype: true },
    ),
    env: fc.record(Object.fromEntries(flags.filter(({ value }) => value).map(({ name }) => [envName(name), flagText[name] ?? fc.constant('x')])), {
      requiredKeys: [],
      noNullPrototype: true,
    }),
  })
  .map(jsonBytes)

export const fileDecoders: readonly Decoder[] = [
  decoder<Journal>({
    name: 'journal',
    covers: ['store/journal.ts#decodeJournal'],
    kind: 'binary',
    read: decodeJournal,
    values: journal,
    print: printJournal,
    seal: sealJournal,
    // The layout has four numbers, a record five fields.
    maxUnits: (inputBytes) => 2 * inputBytes + 128,
    // Replaying takes room for the pieces that the header names: that of the largest blob is bounded.
    holds(value, bytes) {
      const { stored, hashes } = replayJournal(value)
      return value.endBytes <= bytes.byteLength && stored.count <= value.records.length && hashes.byteLength <= 32 * 65_536
    },
  }),
  decoder<BlobRecord>({
    name: 'blob-record',
    covers: ['store/blob-facts.ts#decodeRecord'],
    kind: 'json',
    read: (bytes) => decodeRecord(digest, bytes),
    values: record,
    print: (value) => encodeRecord(digest, value),
    seal: sealRecord,
    words: ['"sizeBytes":', '"private":', '"pinned":', '"usedAtMs":', '"mediaType":', '"repositories":', '-1', 'null', '1e999', '{', '}'],
    maxUnits: (inputBytes) => 2 * inputBytes + 64,
    holds: ({ sizeBytes, pinned, usedAtMs, private: isPrivate, mediaType, repositories = [] }) =>
      Number.isSafeInteger(sizeBytes) &&
      sizeBytes >= 0 &&
      typeof pinned === 'boolean' &&
      typeof usedAtMs === 'number' &&
      (isPrivate === undefined || typeof isPrivate === 'boolean') &&
      (mediaType === undefined || typeof mediaType === 'string') &&
      repositories.length <= 64 && repositories.every((name) => typeof name === 'string'),
  }),
  decoder<readonly VerdictRow[]>({
    name: 'repository-verdicts',
    covers: ['swarm/repository-verdicts.ts#decodeVerdicts'],
    kind: 'json',
    read: decodeVerdicts,
    values: fc.array(fc.tuple(fc.string({ maxLength: 20 }), fc.constantFrom('public', 'private', 'denied'), fc.nat()), { maxLength: 6 }),
    print: encodeVerdicts,
    seal(drawn) {
      const text = textOf(drawn).replace(/^\d*\n/, '')
      return bytesOfText(`${crc32(text)}\n${text}`)
    },
    words: ['[', ']', '"public"', '"denied"', 'null', '1e999', '-1'],
    maxUnits: (inputBytes) => 4 * inputBytes + 64,
    holds: (rows) => rows.length <= 1000,
  }),
  decoder<Uint8Array>({
    name: 'piece-hashes',
    covers: ['store/blob-facts.ts#decodeHashes'],
    kind: 'binary',
    // As many as fit.
    read: (bytes) => decodeHashes(digest, bytes, Math.floor((bytes.byteLength - 4) / 32)),
    values: fc.nat(6).chain((count) => bytes(32 * count, 32 * count)),
    print: (hashes) => encodeHashes(digest, hashes),
    exact: true,
    seal(drawn) {
      const sealed = Buffer.from(drawn)
      if (sealed.byteLength >= 4) sealed.writeUInt32BE(crc32(sealed.subarray(4), crc32(digest)))
      return sealed
    },
  }),
  decoder<ProcessIdentity>({
    name: 'store-owner',
    covers: ['store/fs-owners.ts#parseIdentity'],
    kind: 'text',
    read: (bytes) => parseIdentity(textOf(bytes)),
    values: identity,
    print: jsonBytes,
    words: ['"pid":', '"startTicks":"', 'pid:[1]', '00', '-1'],
    maxUnits: (inputBytes) => inputBytes + 64,
  }),
  decoder<{ savedAtMs: number; bans: SavedBan[] }>({
    name: 'ban-file',
    covers: ['net/ban-file.ts#parseBans'],
    kind: 'json',
    read: (bytes) => parseBans(textOf(bytes)),
    refuses: (error) => error instanceof DamagedFile,
    values: fc.record({ savedAtMs: fc.nat(), bans: fc.array(savedBan, { maxLength: 5 }) }, { noNullPrototype: true }),
    print: (saved) => jsonBytes({ version: 1, ...saved }),
    words: ['version', 'savedAtMs', 'bans', 'peerId', 'level', 'leftMs', 'overMs', 'hearsay'],
    maxUnits: (inputBytes) => 2 * inputBytes + 64,
    // However it was written, nobody is banned for longer than the longest ban.
    holds({ savedAtMs, bans }) {
      const list = new BanList()
      list.restore(bans, 1_000_000 - savedAtMs, 5000)
      return bans.every(({ peerId }) => list.untilMs(peerId, 5000) <= 5000 + maxBanMs) && list.size <= bans.length
    },
  }),
  decoder<Uint8Array>({
    name: 'identity-file',
    covers: ['net/identity.ts#parseIdentitySeed'],
    kind: 'text',
    read: (bytes) => parseIdentitySeed(textOf(bytes), '/identity').reveal(),
    refuses: codes('ERR_REQUEST_OPTION'),
    samples: hexKey,
    words: ['\n', '\r\n', '\n\n', 'g', ' '],
    holds: (seed) => seed.byteLength === 32,
  }),
  decoder<Uint8Array>({
    name: 'network-key-file',
    covers: ['net/network-key.ts#parseNetworkKey'],
    kind: 'text',
    read: (bytes) => parseNetworkKey(textOf(bytes)),
    refuses: (error) => codes('ERR_REQUEST_OPTION')(error) && !/[0-9a-f]{60}/i.test(String(error)),
    samples: hexKey,
    words: ['\n', '\r\n', '\n\n', 'g', ' '],
    holds: (key) => key.byteLength === 32,
  }),
  decoder<Uint8Array>({
    name: 'network-key-bytes',
    covers: ['net/network-key.ts#parseNetworkKey'],
    kind: 'binary',
    read: (bytes) => parseNetworkKey(bytes),
    refuses: codes('ERR_REQUEST_OPTION'),
    values: bytes(32, 32),
    print: (key) => key,
    exact: true,
  }),
  decoder<Settings>({
    name: 'command-line',
    covers: ['cli/config.ts#readSettings'],
    kind: 'json',
    read(bytes) {
      const given = fromJson(bytes)?.document
      const { flags, env } = isGiven(given) ? given : { flags: undefined, env: undefined }
      return flags && env && readSettings(flags, { HOME: '/home/ada', ...env })
    },
    refuses: (error) => error instanceof InvalidArgumentError,
    samples: settings,
    words: [...flags.map(({ name }) => envName(name)), 'none', 'dns=', ',', '/ip4/', 'linux/', 'containerd=', '=https://', '1', 'true'],
    maxUnits: (inputBytes) => 4 * inputBytes + 512,
  }),
]

/** The types that commander and the operating system give. */
function isGiven(given: unknown): given is { flags: GivenFlags; env: Record<string, string> } {
  if (typeof given !== 'object' || given === null || !('flags' in given) || !('env' in given)) return false
  const { flags: drawn, env } = given
  if (typeof drawn !== 'object' || drawn === null || typeof env !== 'object' || env === null) return false
  const fits = flags.every(({ name, value, repeatable }) => {
    const flag: unknown = Reflect.get(drawn, name)
    if (flag === undefined) return true
    if (value === undefined) return typeof flag === 'boolean'
    return repeatable ? Array.isArray(flag) && flag.every((text) => typeof text === 'string') : typeof flag === 'string'
  })
  return fits && Object.values(env).every((text) => typeof text === 'string')
}
