/**
 * Bytes, characters and items that can be reached from a value, up to a limit; stops counting there. What a decoder allocates for
 * good is of this order.
 */
export function unitsIn(value: unknown, limit: number): number {
  let units = 0
  const seen = new Set<object>()
  const open: unknown[] = [value]
  while (open.length > 0 && units <= limit) {
    const next = open.pop()
    units++
    if (typeof next === 'string') units += next.length
    if (typeof next !== 'object' || next === null || seen.has(next)) continue
    seen.add(next)
    if (ArrayBuffer.isView(next)) {
      units += next.byteLength
      continue
    }
    const parts: Iterable<unknown> = next instanceof Map ? [...next.keys(), ...next.values()] : Object.values(next)
    for (const part of parts) open.push(part)
  }
  return units
}
