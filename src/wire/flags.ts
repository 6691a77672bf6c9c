/** Bits above 2^32 are not lost to `&`: it takes the lowest 32, and no flag lies higher. */
export function hasFlag(flags: number, flag: number): boolean {
  return (flags & flag) !== 0
}
