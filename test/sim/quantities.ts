/** What a person wrote on the command line cannot be used; the message says why. */
export class UsageError extends Error {}

const sizes = new Map([['B', 1], ['KiB', 1024], ['MiB', 1024 ** 2], ['GiB', 1024 ** 3]])
/** To bytes per millisecond, in which all rates of the simulator are. */
const rates = new Map([['Kbit', 1 / 8], ['Mbit', 1e3 / 8], ['Gbit', 1e6 / 8]])
const times = new Map([['ms', 1], ['s', 1000], ['min', 60_000]])

/** `'512MiB'` in bytes. */
export function parseSize(text: string, what: string): number {
  const bytes = parseUnit(text, sizes, what, '512MiB')
  if (!Number.isInteger(bytes)) throw new UsageError(`${what} is ${text}, which is no whole number of bytes`)
  return bytes
}

/** `'10Gbit'` or `'10Gbit/s'` in bytes per millisecond. */
export function parseRate(text: string, what: string): number {
  const rate = parseUnit(text.replace(/\/s$/, ''), rates, what, '10Gbit')
  if (rate <= 0) throw new UsageError(`${what} must be more than nothing`)
  return rate
}

/** `'250ms'`, `'1.5s'` in milliseconds. */
export function parseTime(text: string, what: string): number {
  return parseUnit(text, times, what, '1s')
}

/** As {@link parseTime}; a bare number is milliseconds, where the option's name says so. */
export function parseMs(text: string, what: string): number {
  return parseTime(/^[\d.]+$/.test(text) ? `${text}ms` : text, what)
}

export function parseCount(text: string, what: string, least: number): number {
  const count = Number(text)
  if (!/^\d+$/.test(text) || count < least) throw new UsageError(`${what} is ${text}; it must be a whole number from ${least} on`)
  return count
}

/** A number between the bounds, both of which it may be. */
export function parseNumber(text: string, what: string, least: number, most: number): number {
  const value = Number(text)
  if (text.trim() === '' || Number.isNaN(value) || value < least || value > most) {
    const bounds = most === Infinity ? `${least} or more` : `from ${least} to ${most}`
    throw new UsageError(`${what} is ${text}; it must be a number, ${bounds}`)
  }
  return value
}

export function parseChoice<T extends string>(text: string, what: string, choices: readonly T[]): T {
  const choice = choices.find((candidate) => candidate === text)
  if (choice === undefined) throw new UsageError(`${what} is ${text}; it must be one of ${choices.join(', ')}`)
  return choice
}

function parseUnit(text: string, units: ReadonlyMap<string, number>, what: string, example: string): number {
  const [, number = '', unit = ''] = /^(\d+(?:\.\d+)?) ?([A-Za-z]+)$/.exec(text) ?? []
  const factor = units.get(unit)
  if (factor === undefined) {
    throw new UsageError(`${what} is ${text}; write a number and one of ${[...units.keys()].join(', ')}, like ${example}`)
  }
  return Number(number) * factor
}

export function printSize(bytes: number): string {
  for (const [unit, factor] of [...sizes].toReversed()) {
    if (bytes >= factor) return `${round(bytes / factor)} ${unit}`
  }
  return `${bytes} B`
}

export function printRate(rate: number): string {
  for (const [unit, factor] of [...rates].toReversed()) {
    if (rate >= factor) return `${round(rate / factor)} ${unit}/s`
  }
  return `${round(rate * 8000)} bit/s`
}

export function printMs(ms: number): string {
  return ms >= 1000 ? `${(ms / 1000).toFixed(3)} s` : `${round(ms)} ms`
}

function round(value: number): string {
  return String(Math.round(value * 100) / 100)
}
