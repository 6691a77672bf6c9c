import {
  parseChoice,
  parseCount,
  parseMs,
  parseNumber,
  parseRate,
  parseSize,
  parseTime,
  printMs,
  printRate,
  printSize,
  UsageError,
} from './quantities.ts'

/** A kind of node that dies at a moment: whoever reads from the origin, or the first tracker of the blob. */
export interface PlannedDeath {
  readonly who: 'fetcher' | 'tracker'
  readonly atMs: number
}

/** A part of the nodes that the others cannot reach for a while. What is sent meanwhile arrives afterwards, as with TCP. */
export interface Partition {
  readonly fraction: number
  readonly fromMs: number
  readonly toMs: number
}

/** A setting and what it is read from; times in milliseconds, rates in bytes per millisecond. */
interface Setting<T> {
  readonly value: T
  readonly help: string
  readonly parse: (text: string, what: string) => T
}

function setting<T>(value: T, help: string, parse: (text: string, what: string) => T): Setting<T> {
  return { value, help, parse }
}

const mib = 1024 ** 2
const gbit = 1e6 / 8
const count = (least: number) => (text: string, what: string): number => parseCount(text, what, least)
const between = (least: number, most: number) => (text: string, what: string): number => parseNumber(text, what, least, most)

/** Everything that can be said about a run, in the order in which `--help` lists it. */
const settings = {
  nodes: setting(1000, 'nodes that want the blob', count(1)),
  size: setting(512 * mib, 'size of the blob', parseSize),
  seed: setting(1, 'the same seed gives the same run', count(0)),
  origin: setting(10 * gbit, 'egress of the origin', parseRate),
  link: setting(gbit, 'rate of each node, up and down', parseRate),
  up: setting<number | undefined>(undefined, 'uplink, where it differs from --link', parseRate),
  down: setting<number | undefined>(undefined, 'downlink, where it differs from --link', parseRate),
  startWithin: setting(1000, 'nodes start within this time', parseTime),
  readers: setting<'none' | 'all' | 'quarter'>('none', 'who reads in order while it loads: none, all, or every fourth node', (text, what) =>
    parseChoice(text, what, ['none', 'all', 'quarter'])),
  regions: setting(1, 'regions; the origin is in the first one', count(1)),
  zones: setting(0, 'zones of a region, each of racks of 20 nodes; 0: nodes do not know where they are', count(0)),
  wan: setting<number | undefined>(undefined, 'rate of the pipe of each region to the others, in and out', parseRate),
  flowCap: setting(gbit / 10, 'most that one flow between two regions gets', parseRate),
  buffer: setting<number | undefined>(undefined, 'what may be under way to a node that is behind before its senders are held up; without it they never are', parseSize),
  nearMs: setting(0.25, 'one way within a zone', parseMs),
  regionMs: setting(1, 'one way within a region', parseMs),
  farMs: setting(40, 'one way between regions', parseMs),
  originMs: setting(5, 'time in which the origin begins to answer, besides the way', parseMs),
  originRequests: setting(Infinity, 'requests a second that the origin answers; 429 beyond', between(1, Infinity)),
  retryAfter: setting(1000, 'how long a 429 sends away', parseTime),
  overhead: setting(1, 'bytes on the wire for one byte of the blob', between(1, 10)),
  storeMs: setting(1, 'to store a piece', parseMs),
  checkMs: setting(1, 'to check the whole blob, which is hashed while it is stored', parseMs),
  handshakeMs: setting(2, 'CPU of a handshake, at each end', parseMs),
  joinMs: setting(1, 'CPU of a tracker, a join', parseMs),
  maxLinks: setting(64, 'links of a node', count(1)),
  pendingInbound: setting(10, 'handshakes that a node answers at once; it refuses more', count(1)),
  slow: setting<{ fraction: number; rate: number } | undefined>(undefined, 'slow nodes, as fraction:rate relative to the others, like 0.1:0.1', parseSlow),
  slowFirst: setting(false, 'the first node starts alone and is a slow one', parseSwitch),
  supernodes: setting(0, 'nodes of ten times the rate, which start first', count(0)),
  killFraction: setting(0, 'part of the nodes that die during the run', between(0, 0.9)),
  killHow: setting<'silent' | 'reset' | 'both'>('both', 'whether the peers of the dead notice at once: silent, reset, or half of each', (text, what) =>
    parseChoice(text, what, ['silent', 'reset', 'both'])),
  noticeMs: setting(10_000, 'after which a silent death is noticed by whoever waits for nothing', parseMs),
  kill: setting<readonly PlannedDeath[]>([], 'who dies silently when, like fetcher@1000ms or fetcher@1s,tracker@2s', parseDeaths),
  partition: setting<Partition | undefined>(undefined, 'a part that is cut off for a while, like 0.5@1000ms-4000ms', parsePartition),
  tracker: setting<'honest' | 'never-grants' | 'grants-all' | 'liars'>('honest', 'how trackers behave: honest, never-grants, grants-all or liars', (text, what) =>
    parseChoice(text, what, ['honest', 'never-grants', 'grants-all', 'liars'])),
  until: setting(600_000, 'virtual time after which a run is given up', parseTime),
  check: setting(false, 'check the invariants of every session after every step', parseSwitch),
}

type Settings = typeof settings
type ValueOf<S> = S extends Setting<infer T> ? T : never

/** What a run is about; see `settings` for what each one means. */
export type SimOptions = { readonly [Name in keyof Settings]: ValueOf<Settings[Name]> }

export const defaultSimOptions: SimOptions = Object.fromEntries(
  Object.entries(settings).map(([name, { value }]) => [name, value]),
) as SimOptions

/** An option as it is written, and what it is without being written. */
export interface OptionName {
  readonly name: keyof Settings
  readonly isSwitch: boolean
  readonly help: string
  readonly shown: string
}

/** By how they are written: `--start-within 1s`, `--check`. */
export const optionNames: ReadonlyMap<string, OptionName> = new Map(
  Object.entries(settings).map(([name, { value, help }]) => [
    name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`),
    { name: name as keyof Settings, isSwitch: typeof value === 'boolean', help, shown: show(name, value) },
  ]),
)

/** Reads options as they are written; those that are not written keep their values in `base`. */
export function readSimOptions(written: Readonly<Record<string, string | boolean | undefined>>, base: SimOptions): SimOptions {
  const read: Partial<Record<keyof Settings, unknown>> = {}
  for (const [option, text] of Object.entries(written)) {
    const known = optionNames.get(option)
    if (known && text !== undefined) read[known.name] = settings[known.name].parse(String(text), `--${option}`)
  }
  const options = { ...base, ...read } as SimOptions
  if (options.regions > 1 && options.regions > options.nodes) throw new UsageError('--regions are more than --nodes')
  if (options.supernodes >= options.nodes) throw new UsageError('--supernodes must be fewer than --nodes')
  if (options.slowFirst && !options.slow) throw new UsageError('--slow-first needs --slow')
  return options
}

function show(name: string, value: unknown): string {
  if (typeof value === 'string') return value
  if (typeof value !== 'number' || value === Infinity) return ''
  if (['origin', 'link', 'flowCap'].includes(name)) return printRate(value)
  if (name === 'size') return printSize(value)
  return name.endsWith('Ms') || ['startWithin', 'retryAfter', 'until'].includes(name) ? printMs(value) : String(value)
}

function parseSwitch(text: string): boolean {
  return text === 'true'
}

function parseSlow(text: string, what: string): { fraction: number; rate: number } {
  const [fraction, rate, ...rest] = text.split(':')
  if (fraction === undefined || rate === undefined || rest.length > 0) {
    throw new UsageError(`${what} is ${text}; write the fraction and the relative rate, like 0.1:0.1`)
  }
  return { fraction: parseNumber(fraction, what, 0, 1), rate: parseNumber(rate, what, 0.001, 1) }
}

function parseDeaths(text: string, what: string): PlannedDeath[] {
  return text.split(',').map((part) => {
    const [who = '', at, ...rest] = part.split('@')
    if (at === undefined || rest.length > 0) throw new UsageError(`${what} is ${text}; write who and when, like fetcher@1000ms`)
    return { who: parseChoice(who, what, ['fetcher', 'tracker']), atMs: parseTime(at, what) }
  })
}

function parsePartition(text: string, what: string): Partition {
  const [, fraction, from, to] = /^([\d.]+)@([^-]+)-([^-]+)$/.exec(text) ?? []
  if (fraction === undefined || from === undefined || to === undefined) {
    throw new UsageError(`${what} is ${text}; write the fraction, and from when to when, like 0.5@1000ms-4000ms`)
  }
  const partition = { fraction: parseNumber(fraction, what, 0, 1), fromMs: parseTime(from, what), toMs: parseTime(to, what) }
  if (partition.toMs <= partition.fromMs) throw new UsageError(`${what} is ${text}, which ends before it begins`)
  return partition
}
