const sizes: Readonly<Record<string, number>> = { B: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 }
const rates: Readonly<Record<string, number>> = { bit: 1, kbit: 1e3, mbit: 1e6, gbit: 1e9 }

/** Bytes of `32MiB`. */
export function parseSize(text: string): number {
  return parse(text, sizes, 'a size such as 32MiB')
}

/** Bits a second of `50mbit`, as `tc` writes rates. */
export function parseRate(text: string): number {
  return parse(text, rates, 'a rate such as 50mbit')
}

/** A whole number of at least `least`. */
export function parseCount(text: string, least: number): number {
  const count = Number(text)
  if (Number.isInteger(count) && count >= least) return count
  throw new RangeError(`${text} is not a whole number of at least ${least}`)
}

/** `32.0 MiB`. */
export function printMib(bytes: number): string {
  return `${(bytes / 1024 ** 2).toFixed(1)} MiB`
}

/** `5.4 s`. */
export function printSeconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`
}

function parse(text: string, units: Readonly<Record<string, number>>, wanted: string): number {
  const [, amount = '', unit = ''] = /^(\d+(?:\.\d+)?)([a-zA-Z]+)$/.exec(text) ?? []
  const factor = units[unit]
  if (factor === undefined) throw new RangeError(`${text} is not ${wanted}`)
  return Number(amount) * factor
}
