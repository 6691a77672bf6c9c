import { peerIdFromString } from '@libp2p/peer-id'
import { multiaddr, type Multiaddr } from '@multiformats/multiaddr'
import fc from 'fast-check'
import type { KnownPeer } from '../../src/discovery/discovery.ts'
import { dns } from '../../src/discovery/dns-discovery.ts'
import { knownPeer, parsePeerAddress } from '../../src/discovery/known-peer.ts'
import { maxTopicsPerNode, ProviderRecords } from '../../src/discovery/provider-records.ts'
import { isIssuer, readPeerId } from '../../src/net/grants.ts'
import type { Libp2pNode } from '../../src/net/libp2p-node.ts'
import { MemberAddresses, type MemberPeer } from '../../src/net/member-addresses.ts'
import { isSignedBy, publicKeyIn } from '../../src/net/signing-key.ts'
import { fakeClock } from '../../src/testing/fake-clock.ts'
import { ByteReader } from '../../src/wire/byte-reader.ts'
import { ByteWriter } from '../../src/wire/byte-writer.ts'
import { memberLayout } from '../../src/wire/member-layouts.ts'
import { bytes } from '../wire/arbitrary-message.ts'
import { bytesOfText, codes, decoder, textOf, type Decoder } from './decoder.ts'

const ownId = '12D3KooWGC6TvWhfapngX6wvJHMYvKpDMXPb3ZnCZ6dMoaMtimQ5'
const peerNames = [ownId, 'QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N', '16Uiu2HAm1EoMAcNAEucPr7v8bPeLeHm1DkhB6rW2cpnUDvfwRd56']
const peerIds = peerNames.map((text) => peerIdFromString(text).toMultihash().bytes)
const port = fc.integer({ min: 1, max: 65_535 })
const host = fc.oneof(
  fc.ipV4().map((ip) => `/ip4/${ip}`),
  fc.ipV6().map((ip) => `/ip6/${ip}`),
  fc.constantFrom('/dns4/a.example', '/dns/b.example', '/dnsaddr/c.example', '/ip6zone/eth0/ip6/fe80::1'),
)
const address = fc.tuple(host, port, fc.constantFrom('tcp', 'udp'), fc.constantFrom('', '/ws', '/quic-v1', '/tls/ws')).map(([host, port, transport, more]) => `${host}/${transport}/${port}${more}`)
const addressWords = ['/', '/ip4/', '/ip6/', '/tcp/', '/p2p/', '/dns4/', '/dnsaddr/', '/unix/', '/ip4/127.0.0.1/tcp/1', '/p2p-circuit', '/ipcidr/', '/certhash/', '/http-path/', '/memory/', '/tcp/65536', '/tcp/-1']

// Reading needs nothing of the node.
const addresses = new MemberAddresses({} as Libp2pNode)
const member = fc.tuple(fc.constantFrom(...peerIds), fc.array(address.map((text) => multiaddr(text).bytes), { minLength: 1, maxLength: 8 }))

function printMember([peerId, addresses]: readonly [Uint8Array, readonly Uint8Array[]]): Uint8Array {
  const writer = new ByteWriter(60_000)
  memberLayout.write(writer, { peerId, supernode: false, location: { region: '', zone: '', rack: '' }, addresses })
  return writer.finish()
}

/** One address in each line. */
function addressesIn(text: string): Multiaddr[] {
  return text.split('\n').flatMap((line) => {
    try {
      return [multiaddr(line)]
    } catch {
      // libp2p hands on what it could read itself.
      return []
    }
  })
}

export const peerDecoders: readonly Decoder[] = [
  decoder<MemberPeer>({
    name: 'member',
    covers: ['net/member-addresses.ts#MemberAddresses'],
    kind: 'binary',
    read(bytes) {
      const reader = new ByteReader(bytes)
      const read = memberLayout.read(reader)
      reader.end()
      return addresses.read(read)
    },
    refuses: codes('ERR_PEER_PROTOCOL'),
    samples: member.map(printMember),
    // A port of two bytes is five digits, a protocol's code of one byte a name.
    maxUnits: (inputBytes) => 16 * inputBytes + 64,
    holds: ({ addresses }) => addresses.length <= 8,
  }),
  decoder<string>({
    name: 'peer-id-bytes',
    covers: ['net/member-addresses.ts#MemberAddresses', 'net/signing-key.ts#SigningKey', 'net/signing-key.ts#isSignedBy'],
    kind: 'binary',
    read(bytes) {
      const message = Uint8Array.of(1)
      if (isSignedBy(bytes, message, new Uint8Array(64))) return undefined
      return addresses.nameOf(bytes)
    },
    samples: fc.constantFrom(...peerIds),
    maxUnits: (inputBytes) => 2 * inputBytes + 64,
    print: (name) => peerIdFromString(name).toMultihash().bytes,
    holds: (_, bytes) => (publicKeyIn(bytes)?.byteLength ?? 32) === 32,
  }),
  decoder<boolean>({
    name: 'signature',
    covers: ['net/signing-key.ts#isSignedBy'],
    kind: 'binary',
    // 38 bytes of peer id, 64 of signature, and the message.
    read: (bytes) => isSignedBy(bytes.subarray(0, 38), bytes.subarray(102), bytes.subarray(38, 102)),
    samples: fc.tuple(bytes(32, 32), bytes(64, 64), bytes(40)).map((parts) => Buffer.concat([Uint8Array.of(0, 0x24, 8, 1, 0x12, 0x20), ...parts])),
  }),
  decoder<Uint8Array>({
    name: 'peer-id-text',
    covers: ['net/grants.ts#readPeerId'],
    kind: 'text',
    read: (bytes) => readPeerId(textOf(bytes)),
    refuses: codes('ERR_REQUEST_OPTION'),
    samples: fc.constantFrom(...peerNames).map(bytesOfText),
    words: ['12D3KooW', 'Qm', 'bafz', 'k51', '1', 'z', '0', 'l'],
  }),
  decoder<true>({
    name: 'issuer',
    covers: ['net/grants.ts#isIssuer'],
    kind: 'text',
    read: (bytes) => isIssuer(textOf(bytes)) || undefined,
    samples: bytes(32, 32).map((key) => bytesOfText(Buffer.from(key).toString('base64url'))),
    words: ['=', '+', '/', '-', '_'],
    holds: (_, bytes) => Buffer.from(textOf(bytes), 'base64url').byteLength === 32,
  }),
  decoder<KnownPeer>({
    name: 'peer-address',
    covers: ['discovery/known-peer.ts#parsePeerAddress'],
    kind: 'text',
    read: (bytes) => parsePeerAddress(textOf(bytes)),
    refuses: codes('ERR_REQUEST_OPTION'),
    samples: fc.tuple(address, fc.option(fc.constantFrom(ownId))).map(([text, id]) => bytesOfText(text + (id === null ? '' : `/p2p/${id}`))),
    words: [...addressWords, `/p2p/${ownId}`],
    maxUnits: (inputBytes) => 4 * inputBytes + 128,
  }),
  decoder<KnownPeer>({
    name: 'found-peer',
    // What mDNS and the DHT found: libp2p has read the packet.
    covers: ['discovery/known-peer.ts#knownPeer'],
    kind: 'text',
    read: (bytes) => knownPeer(ownId, addressesIn(textOf(bytes))),
    samples: fc.array(address, { minLength: 1, maxLength: 20 }).map((list) => bytesOfText(list.join('\n'))),
    words: [...addressWords, '\n', `\n/p2p/${ownId}`],
    maxUnits: (inputBytes) => 4 * inputBytes + 128,
    holds: ({ addresses }) => addresses.length <= 8,
  }),
  decoder<string>({
    name: 'dns-service',
    covers: ['discovery/dns-discovery.ts#dns'],
    kind: 'text',
    read: (bytes) => dns(textOf(bytes)).name,
    refuses: codes('ERR_REQUEST_OPTION'),
    samples: fc.tuple(fc.domain(), port).map(([domain, port]) => bytesOfText(`${domain}:${port}`)),
    words: [':', ':0', ':65536', '.', '_', '-', '[::1]:1'],
  }),
  decoder<number>({
    name: 'provider-records',
    covers: ['discovery/provider-records.ts#ProviderRecords'],
    kind: 'text',
    // A key in each line, as strangers make a DHT node keep them; what counts is how many it keeps.
    read(bytes) {
      const records = new ProviderRecords<string>(fakeClock())
      const keys = textOf(bytes).split('\n')
      for (const key of keys) records.put(key, new Uint8Array(8))
      const all = [...records.of()].length
      for (const key of keys) records.delete(key)
      return records.size === 0 && all <= keys.length ? all : undefined
    },
    samples: fc.array(fc.tuple(fc.nat(3), fc.nat(500)), { minLength: 1, maxLength: 300 }).map((keys) =>
      bytesOfText(keys.map(([topic, provider]) => `/damselfly/dht/provider/TOPIC${topic}/${provider}`).join('\n')),
    ),
    words: ['/', '\n', '/damselfly/dht/provider', '__proto__', '//'],
    holds: (kept) => kept <= maxTopicsPerNode * 64,
  }),
]
