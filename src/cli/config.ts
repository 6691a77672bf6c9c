import { homedir } from 'node:os'
import { join } from 'node:path'
import { InvalidArgumentError } from 'commander'
import { envName, type FlagName } from './flags.ts'

/** What the command line said, before it is checked: text, texts of a repeatable flag, or `true` for a switch. */
export type GivenFlags = Partial<Record<FlagName, string | readonly string[] | boolean>>

/** Environment variables. */
export type Environment = Readonly<Record<string, string | undefined>>

/** A way to find peers that `--discovery` names. */
export type DiscoveryChoice =
  | { readonly kind: 'dht' }
  | { readonly kind: 'mdns' }
  | { readonly kind: 'dns'; readonly host: string }

/** A registry that `--upstream` names. */
export interface UpstreamChoice {
  readonly registry: string
  /** Where it answers, if not at its name. */
  readonly url?: string
}

/** What one `--share` says. */
export interface Share {
  readonly match: string
  readonly access: 'public' | 'network' | 'never' | { readonly grant: { readonly issuers: readonly string[] } }
}

/** What a command runs with: flags, environment and defaults as one. */
export interface Settings {
  readonly storeDir: string
  /** Root of a containerd whose content store is read; without it, blobs live in the store alone. */
  readonly containerdRoot: string | undefined
  readonly listen: readonly string[]
  readonly peers: readonly string[]
  readonly discovery: readonly DiscoveryChoice[]
  readonly networkKeyFile: string | undefined
  readonly allowedPeers: readonly string[]
  readonly shares: readonly Share[]
  readonly grantFile: string | undefined
  readonly identityFile: string | undefined
  readonly platform: string | undefined
  readonly insecureHosts: readonly string[]
  readonly origin: 'auto' | 'never'
  readonly role: 'peer' | 'supernode'
  readonly supernodes: readonly string[]
  readonly trustedRanges: readonly string[]
  readonly location: { readonly region?: string; readonly zone?: string; readonly rack?: string }
  /** For `serve`, where a mirror listens; for `configure`, where it answers. As given: each reads it in its own way. */
  readonly mirror: string | undefined
  readonly upstreams: readonly UpstreamChoice[]
  readonly mirrorAuth: 'node' | 'passthrough'
  /** What stands for `/` in `configure`. */
  readonly root: string
  readonly dryRun: boolean
  readonly undo: boolean
  readonly writeConfig: boolean
  /** Folder that `pull` writes to. */
  readonly to: string | undefined
  readonly json: boolean
  readonly verbose: boolean
}

/**
 * Joins flags, environment and defaults, in this order of precedence, and checks each.
 * @throws `InvalidArgumentError`, naming the flag or variable and what it may be
 */
export function readSettings(given: GivenFlags, env: Environment): Settings {
  const text = (name: FlagName): Sourced | undefined => readText(name, given[name], env)
  const list = (name: FlagName): Sourced[] => readList(name, given[name], env)
  const enabled = (name: FlagName): boolean => readSwitch(name, given[name], env)
  const listen = list('listen').map((address) => checked(address, multiaddr))
  return {
    storeDir: text('store')?.value ?? join(cacheHome(env), 'damselfly'),
    containerdRoot: optionally(text('backend'), readBackend),
    listen: listen.length > 0 ? listen : ['/ip4/0.0.0.0/tcp/0'],
    peers: list('peer').map((address) => checked(address, multiaddr)),
    discovery: readDiscovery(list('discovery')),
    networkKeyFile: text('network-key-file')?.value,
    allowedPeers: list('allow-peer').map(({ value }) => value),
    shares: list('share').map(readShare),
    grantFile: text('grant-file')?.value,
    identityFile: text('identity-file')?.value,
    platform: optionally(text('platform'), (platform) => checked(platform, platformName)),
    insecureHosts: list('insecure').map((host) => checked(host, hostName)),
    origin: readChoice(text('origin'), ['auto', 'never']),
    role: readChoice(text('role'), ['peer', 'supernode']),
    supernodes: list('supernode').map((address) => checked(address, multiaddr)),
    trustedRanges: list('trusted-range').map((range) => checked(range, addressRange)),
    location: readLocation(text),
    mirror: text('mirror')?.value,
    upstreams: list('upstream').map(readUpstream),
    mirrorAuth: readChoice(text('mirror-auth'), ['node', 'passthrough']),
    root: text('root')?.value ?? '/',
    dryRun: enabled('dry-run'),
    undo: enabled('undo'),
    writeConfig: enabled('write-config'),
    to: text('to')?.value,
    json: enabled('json'),
    verbose: enabled('verbose'),
  }
}

/** What `grant` runs with. */
export interface GrantSettings {
  readonly keyFile: string | undefined
  readonly isNew: boolean
  readonly peerId: string | undefined
  readonly match: string | undefined
  readonly ttlMs: number | undefined
}

/** Likewise for the flags of `grant`. `DAMSELFLY_PEER` has the addresses of peers, and is not looked at. */
export function readGrantSettings(given: GivenFlags, env: Environment): GrantSettings {
  return {
    keyFile: readText('key', given.key, env)?.value,
    isNew: readSwitch('new', given.new, env),
    peerId: readText('peer', given.peer, {})?.value,
    match: readText('match', given.match, env)?.value,
    ttlMs: optionally(readText('ttl', given.ttl, env), readTime),
  }
}

/** Whether failures are to be told in JSON; guesses where the command line itself is what is wrong. */
export function wantsJson(argv: readonly string[], env: Environment): boolean {
  return argv.includes('--json') || trueTexts.has(env[envName('json')] ?? '')
}

/** A value, and how its user wrote it: what an error then names. */
interface Sourced {
  readonly value: string
  readonly from: string
}

interface Form {
  readonly pattern: RegExp
  readonly hint: string
}

const multiaddr: Form = {
  pattern: /^\/[a-z0-9]+\/\S+$/,
  hint: 'write a multiaddr, like /ip4/192.0.2.7/tcp/4001 (and /p2p/… at its end for a peer)',
}
const platformName: Form = {
  pattern: /^[\w.-]+(?:\/[\w.-]+){1,2}$/,
  hint: 'write OS/ARCH or OS/ARCH/VARIANT, like linux/arm64/v8',
}
const hostName: Form = {
  pattern: /^[A-Za-z0-9.[\]:-]+$/,
  hint: 'write the host, with its port if it has one, like localhost:5000',
}
const addressRange: Form = {
  pattern: /^[0-9a-fA-F.:]+(?:\/\d{1,3})?$/,
  hint: 'write a range of addresses, like 10.0.0.0/8 or fd00::/8',
}
const hostWithPort: Form = {
  pattern: /^\S+:\d{1,5}$/,
  hint: 'write dns=HOST:PORT, like dns=damselfly.svc:4001',
}

/** Of what somebody wrote, in an error. */
const maxShownLength = 100

const trueTexts: ReadonlySet<string> = new Set(['1', 'true'])
const falseTexts: ReadonlySet<string> = new Set(['0', 'false', ''])

function readText(name: FlagName, given: GivenFlags[FlagName], env: Environment): Sourced | undefined {
  if (typeof given === 'string') {
    if (given === '') throw badValue({ value: given, from: `--${name}` }, 'leave the flag out or give it a value')
    return { value: given, from: `--${name}` }
  }
  // An empty variable is how many tools write "not set".
  const value = env[envName(name)]
  return value ? { value, from: envName(name) } : undefined
}

/** Each text may hold several values with commas between them, on the command line too. */
function readList(name: FlagName, given: GivenFlags[FlagName], env: Environment): Sourced[] {
  const texts = Array.isArray(given)
    ? given.map((value: string) => ({ value, from: `--${name}` }))
    : [readText(name, undefined, env)]
  return texts.flatMap((text) =>
    (text?.value.split(',') ?? [])
      .map((value) => ({ value: value.trim(), from: text?.from ?? name }))
      .filter(({ value }) => value !== ''),
  )
}

function readSwitch(name: FlagName, given: GivenFlags[FlagName], env: Environment): boolean {
  if (given === true) return true
  const value = env[envName(name)] ?? ''
  if (trueTexts.has(value)) return true
  if (falseTexts.has(value)) return false
  throw badValue({ value, from: envName(name) }, 'write 1 or 0')
}

function readDiscovery(choices: readonly Sourced[]): DiscoveryChoice[] {
  if (choices.length === 0) return [{ kind: 'dht' }, { kind: 'mdns' }]
  if (choices.length === 1 && choices[0]?.value === 'none') return []
  return choices.map((choice) => {
    if (choice.value === 'dht') return { kind: 'dht' }
    if (choice.value === 'mdns') return { kind: 'mdns' }
    if (!choice.value.startsWith('dns=')) throw badValue(choice, 'write dht, mdns, dns=HOST:PORT, or none alone')
    return { kind: 'dns', host: checked({ ...choice, value: choice.value.slice(4) }, hostWithPort) }
  })
}

/** One of two words; the first one by default. */
function readChoice<Word extends string>(given: Sourced | undefined, words: readonly [Word, Word]): Word {
  if (given === undefined) return words[0]
  const word = words.find((each) => each === given.value)
  if (word !== undefined) return word
  throw badValue(given, `write ${words.join(' or ')}`)
}

function readUpstream(given: Sourced): UpstreamChoice {
  const [, registry = '', url] = /^([^=]*)(?:=(.*))?$/.exec(given.value) ?? []
  const isUrl = url === undefined || (/^https?:\/\/[^/@?#]+(?:\/[^@?#]*)?$/.test(url) && URL.canParse(url))
  if (!hostName.pattern.test(registry) || !isUrl) {
    // Not what was written: an address may have a password in it.
    throw new InvalidArgumentError(`${given.from} is not of the form REGISTRY or REGISTRY=URL, like reg.example.com=https://10.0.0.7:5000, with no user in it`)
  }
  return url === undefined ? { registry } : { registry, url }
}

/** The root of a containerd, if that is the backend. */
function readBackend(given: Sourced): string | undefined {
  if (given.value === 'fs') return undefined
  const [, root] = /^containerd=(.+)$/s.exec(given.value) ?? []
  if (root !== undefined) return root
  throw badValue(given, 'write fs or containerd=ROOT, like containerd=/var/lib/containerd')
}

function readShare(given: Sourced): Share {
  const [, match = '', word = ''] = /^([^=]+)=(.+)$/.exec(given.value) ?? []
  if (word === 'public' || word === 'network' || word === 'never') return { match, access: word }
  const [, issuers] = /^grant:([\w+-]+)$/.exec(word) ?? []
  if (issuers !== undefined) return { match, access: { grant: { issuers: issuers.split('+') } } }
  throw badValue(given, 'write MATCH=public, MATCH=network, MATCH=never or MATCH=grant:ISSUER, like registry.example/team/**=network')
}

function readLocation(text: (name: FlagName) => Sourced | undefined): Settings['location'] {
  const [region, zone, rack] = [text('region')?.value, text('zone')?.value, text('rack')?.value]
  return { ...(region && { region }), ...(zone && { zone }), ...(rack && { rack }) }
}

const unitMs = { s: 1000, m: 60_000, h: 3_600_000 } as const

function readTime(given: Sourced): number {
  const [, count, unit] = /^(\d{1,6})([smh])$/.exec(given.value) ?? []
  if (unit === 's' || unit === 'm' || unit === 'h') return Number(count) * unitMs[unit]
  throw badValue(given, 'write a number with s, m or h, like 30m')
}

function cacheHome(env: Environment): string {
  return env['XDG_CACHE_HOME'] || join(env['HOME'] || homedir(), '.cache')
}

function optionally<Value, Result>(value: Value | undefined, read: (value: Value) => Result): Result | undefined {
  return value === undefined ? undefined : read(value)
}

function checked(sourced: Sourced, form: Form): string {
  if (!form.pattern.test(sourced.value)) throw badValue(sourced, form.hint)
  return sourced.value
}

function badValue({ value, from }: Sourced, hint: string): InvalidArgumentError {
  return new InvalidArgumentError(`${from} is ${JSON.stringify(value.slice(0, maxShownLength))}: ${hint}`)
}
