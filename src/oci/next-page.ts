/** Of a `Link` header only the query of the next page counts: wherever else it points, nobody goes there. */
export function parseNextPage(link: string | undefined): string | undefined {
  const target = /^\s*<([^<>]{1,4096})>\s*;(?:.*;)?\s*rel="?next"?/i.exec(link ?? '')?.[1]
  return target === undefined ? undefined : URL.parse(target, 'https://registry.invalid')?.search.slice(1)
}
