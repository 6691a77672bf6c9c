import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { CleanUp } from '../core/clean-up.ts'
import { systemClock, type Clock } from '../core/clock.ts'
import { steadyClock } from '../core/steady-clock.ts'
import { RequestError } from '../core/errors.ts'
import { silentLogger, type Logger } from '../core/log.ts'
import { checkNumber } from '../core/options.ts'
import { Secret } from '../core/secret.ts'
import { seededRandom, type Random } from '../core/random.ts'
import { CombinedDiscovery } from '../discovery/combined-discovery.ts'
import type { DiscoveryPlugin } from '../discovery/discovery.ts'
import { dht } from '../discovery/dht-discovery.ts'
import { guestsPerLink } from '../engine/links.ts'
import { mdns } from '../discovery/mdns-discovery.ts'
import { peers } from '../discovery/static-discovery.ts'
import { noMetrics } from '../metrics/metrics.ts'
import { BanFile } from '../net/ban-file.ts'
import { onlyPeers } from '../net/connection-gater.ts'
import { loadIdentitySeed } from '../net/identity.ts'
import { createDefaultNode, type DefaultNodeSettings, type Libp2pNode } from '../net/libp2p-node.ts'
import { parseNetworkKey } from '../net/network-key.ts'
import { SigningKey } from '../net/signing-key.ts'
import { DialFilter } from '../net/dial-filter.ts'
import { ownAddresses } from '../net/own-addresses.ts'
import { TrustedRanges } from '../net/trusted-ranges.ts'
import { ManifestResolver } from '../oci/manifest-resolver.ts'
import { fsBackend } from '../store/fs-backend.ts'
import { PieceStore } from '../store/piece-store.ts'
import { BanList } from '../trust/ban-list.ts'
import type { CompiledRule } from '../trust/sharing-rules.ts'
import type { Location } from '../wire/messages.ts'
import type { Link } from '../net/link.ts'
import { BlobHistories } from './blob-history.ts'
import { PeerBans } from './peer-bans.ts'
import { trustTest } from './trusted-issuers.ts'
import { SwarmNode } from './swarm-node.ts'
import { RepositoryVerdicts } from './repository-verdicts.ts'
import { Sharing } from './sharing.ts'
import { resolveGrants, resolvePeerIds, resolveRules } from './sharing-options.ts'
import type { LocationOptions, SwarmOptions } from './swarm-init.ts'
import { Swarm } from './swarm.ts'

const mib = 1024 * 1024
const defaultMemoryBytes = 64 * mib
/** Of the memory for pieces: what peers do not take must not keep this node from fetching, nor the other way round. */
const uploadShare = 0.25
const banFileName = 'bans.json'
const defaultMaxLinks = 64
const defaultSupernodeLinks = 512
/** Connections that carry no link: those of the DHT, and dials under way. */
const otherConnections = 64

/**
 * Starts a node: it listens, looks for peers, offers what its store holds, and fetches what it is asked for.
 *
 * @throws {@link RequestError} `ERR_REQUEST_OPTION` when a setting cannot be used; it says which and why
 * @throws {@link StoreError} when the default store cannot be opened
 * @example
 * ```ts
 * import { createSwarm, fsBackend, peers, PieceStore } from 'damselfly'
 *
 * await using store = await PieceStore.open(fsBackend('./blobs'), { quotaBytes: 50e9 })
 * await using swarm = await createSwarm({ store, discovery: [peers(['/ip4/127.0.0.1/tcp/4001'])] })
 * console.log(swarm.addresses)
 * ```
 * @public
 */
export async function createSwarm(options: SwarmOptions = {}): Promise<Swarm> {
  const settings = resolveOptions(options)
  const made = new CleanUp()
  try {
    const { clock, logger, random, ranges } = settings
    const metrics = options.metrics ?? noMetrics
    const list = new BanList()
    const bans = new PeerBans({ list, clock, metrics, ranges })
    let listener: Libp2pNode | undefined
    const dialFilter = new DialFilter({ ranges: options.limits?.trustedRanges, trusted: ranges, own: ownAddresses(() => listener, clock) })
    const banPath = banFileOf(options)
    if (banPath !== undefined) {
      const file = await BanFile.open({ path: banPath, list, clock, logger })
      made.defer(() => file.close())
      bans.onChange = () => file.changed()
    }
    const store = options.store ?? made.use(await PieceStore.open(fsBackend(defaultDirectory())))
    const resolver = options.resolver ?? made.use(new ManifestResolver())
    const { node, start } = options.libp2p
      ? { node: options.libp2p, start: async () => {} }
      : await makeNode(options, settings, { refusals: settings.allowedPeers ? onlyPeers(settings.allowedPeers, bans) : bans, dialFilter }, made)
    listener = node
    const identity = SigningKey.of(node)
    const { authorize, beforeSeed } = options
    const sharing = { rules: settings.rules, grants: resolveGrants(options.grants ?? [], identity), authorize, beforeSeed }
    const verdicts = await RepositoryVerdicts.open({ store, clock, logger })
    const swarm = Swarm.over((emit) => {
      const context = {
        store,
        clock,
        random,
        logger,
        metrics,
        emit,
        selfId: identity.peerId,
        identity,
        trusts: settings.trusts,
        closedNetwork: settings.closedNetwork,
        sharing: new Sharing({
          ...sharing,
          verdicts,
          clock,
          logger,
          closedNetwork: settings.closedNetwork,
          withheld: (event) => emit('sharing:withheld', event),
        }),
        bans,
        dialFilter,
        originAllowed: settings.origin === 'auto',
        inFlightBytes: Math.ceil(settings.memoryBytes * (1 - uploadShare)),
        uploadBytes: settings.memoryBytes * uploadShare,
        supernode: settings.supernode,
        history: new BlobHistories(clock),
      }
      const { location, maxLinks } = settings
      return new SwarmNode({
        context,
        resolver,
        node,
        location,
        maxLinks,
        isSupernode: supernodeTest(settings),
        bans,
        release: () => made[Symbol.asyncDispose](),
      })
    })
    try {
      await swarm.start(async ({ connect, met }) => {
        await start()
        const { networkKey } = settings
        return CombinedDiscovery.create(settings.discovery, { node, clock, random, logger, networkKey, connect, met })
      })
    } catch (error) {
      await swarm.close()
      throw error
    }
    return swarm
  } catch (error) {
    await made[Symbol.asyncDispose]()
    throw error
  }
}

/** Options with their defaults, checked. */
interface Settings {
  readonly clock: Clock
  readonly logger: Logger
  readonly random: Random
  readonly origin: 'auto' | 'never'
  readonly discovery: readonly DiscoveryPlugin[]
  readonly networkKey: Secret<Uint8Array> | undefined
  /** With the key, or without. */
  readonly allowedPeers: ReadonlySet<string> | undefined
  readonly closedNetwork: boolean
  readonly rules: readonly CompiledRule[]
  readonly location: Location
  readonly memoryBytes: number
  readonly maxLinks: number
  readonly ranges: TrustedRanges
  readonly supernode: boolean
  readonly supernodes: readonly string[]
  readonly trusts: (issuer: string) => boolean
}

function resolveOptions(options: SwarmOptions): Settings {
  const { limits = {}, location = {}, origin = 'auto', role = 'peer', supernodes = [] } = options
  if (origin !== 'auto' && origin !== 'never') {
    throw new RequestError('ERR_REQUEST_OPTION', `origin is ${String(origin)}: write 'auto' or 'never'`)
  }
  if (role !== 'peer' && role !== 'supernode') {
    throw new RequestError('ERR_REQUEST_OPTION', `role is ${String(role)}: write 'peer' or 'supernode'`)
  }
  if (options.libp2p && (options.listen || options.identityFile !== undefined)) {
    throw new RequestError('ERR_REQUEST_OPTION', 'listen and identityFile are settings of a node of our own: leave them out with libp2p')
  }
  if (options.libp2p && options.network) {
    throw new RequestError(
      'ERR_REQUEST_OPTION',
      'network cannot close a libp2p node that exists: leave libp2p out, or wrap its encrypter with networkKeyEncrypter',
    )
  }
  if (options.network && options.network.key === undefined && options.network.allowPeers === undefined) {
    throw new RequestError('ERR_REQUEST_OPTION', 'network is empty: give it a key, allowPeers, or both; without them nobody would be kept out')
  }
  return {
    clock: steadyClock(options.clock ?? systemClock),
    logger: options.logger ?? silentLogger,
    random: options.random ?? seededRandom(),
    origin,
    discovery: [...(options.discovery ?? [dht(), mdns()]), ...(supernodes.length > 0 ? [peers(supernodes)] : [])],
    networkKey: options.network?.key === undefined ? undefined : new Secret(parseNetworkKey(options.network.key)),
    allowedPeers: options.network?.allowPeers && resolvePeerIds(options.network.allowPeers),
    closedNetwork: options.network !== undefined,
    rules: resolveRules(options.sharing ?? {}),
    location: resolveLocation(location),
    memoryBytes: checkNumber('limits.memoryBytes', limits.memoryBytes ?? defaultMemoryBytes, mib),
    maxLinks: checkNumber('limits.maxLinks', limits.maxLinks ?? (role === 'supernode' ? defaultSupernodeLinks : defaultMaxLinks), 1),
    ranges: new TrustedRanges(limits.trustedRanges, options.network !== undefined),
    supernode: role === 'supernode',
    supernodes,
    trusts: trustTest(options.network !== undefined, options.trustedIssuers ?? [], supernodes),
  }
}

/** Whom to believe that it is a supernode: members of a closed network, and those that were named. */
function supernodeTest({ closedNetwork, supernodes }: Settings): (link: Link) => boolean {
  const named = supernodes.map((address) => ({
    peerId: /\/p2p\/([^/]+)$/.exec(address)?.[1],
    address: address.replace(/\/p2p\/[^/]+$/, ''),
  }))
  return (link) => {
    if (closedNetwork) return true
    return named.some(({ peerId, address }) =>
      peerId === undefined ? !link.inbound && link.remoteAddress.startsWith(address) : peerId === link.peerId,
    )
  }
}

function resolveLocation({ region = '', zone = '', rack = '' }: LocationOptions): Location {
  for (const [name, value] of Object.entries({ region, zone, rack })) {
    if (Buffer.byteLength(value) <= 64) continue
    throw new RequestError('ERR_REQUEST_OPTION', `location.${name} is longer than 64 bytes`)
  }
  return { region, zone, rack }
}

function banFileOf({ banFile, identityFile, store }: SwarmOptions): string | undefined {
  if (banFile !== undefined) return banFile === false ? undefined : banFile
  if (identityFile !== undefined) return join(dirname(identityFile), banFileName)
  return store ? undefined : join(defaultDirectory(), banFileName)
}

/** A node of our own starts when the swarm can answer its first peer. */
async function makeNode(
  options: SwarmOptions,
  settings: Settings,
  gates: Pick<DefaultNodeSettings, 'refusals' | 'dialFilter'>,
  made: CleanUp,
): Promise<{ node: Libp2pNode; start: () => Promise<void> }> {
  const { listen, identityFile } = options
  const identitySeed = identityFile === undefined ? undefined : await loadIdentitySeed(identityFile)
  const node = await createDefaultNode({
    listen,
    networkKey: settings.networkKey,
    maxConnections: settings.maxLinks * (1 + guestsPerLink) + otherConnections,
    identitySeed,
    ranges: settings.ranges,
    ...gates,
    clock: settings.clock,
    metrics: options.metrics,
    services: Object.assign({}, ...settings.discovery.map((plugin) => plugin.services ?? {})),
  }).catch((cause: unknown) => cannotListen(listen, cause))
  made.defer(async () => node.stop())
  return { node, start: async () => Promise.resolve(node.start()).catch((cause: unknown) => cannotListen(listen, cause)) }
}

/** A node without peers does little in starting but listen; what fails is what it was told to listen on. */
function cannotListen(listen: readonly string[] | undefined, cause: unknown): never {
  if (!listen) throw cause
  throw new RequestError(
    'ERR_REQUEST_OPTION',
    `this node cannot listen on ${listen.join(', ')}: give addresses of this machine such as /ip4/0.0.0.0/tcp/0, with a port that is free`,
    { cause },
  )
}

/** Where the default store lives: `$XDG_CACHE_HOME/damselfly`, else `~/.cache/damselfly`. */
function defaultDirectory(): string {
  return join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'damselfly')
}
