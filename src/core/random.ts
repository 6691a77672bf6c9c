import { randomInt } from 'node:crypto'

/**
 * Draws numbers; the same seed draws the same ones, so that a run can be repeated.
 * @public
 */
export interface Random {
  /** A number from 0 up to, not including, 1. */
  next(): number
  /** A whole number from 0 up to, not including, `bound`. */
  below(bound: number): number
}

/** A generator with a 32-bit state (mulberry32); for choices, never for secrets. */
export function seededRandom(seed: number = randomInt(2 ** 32)): Random {
  let state = seed >>> 0
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  return { next, below: (bound) => Math.floor(next() * bound) }
}
