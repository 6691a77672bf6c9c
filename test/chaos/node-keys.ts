/** How the others call a node. */
export function keyOf(index: number): string {
  return `n${index}`
}

export function indexOf(key: string): number {
  return Number(key.slice(1))
}
