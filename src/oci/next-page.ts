/**
 * Of a `Link` header only the query of the next page counts: wherever it points, nobody goes there. One that points to another host counts for nothing.
 *
 * @param page - where the header came from
 * @param registry - whose page it is; it may call itself so, wherever it was reached
 */
export function parseNextPage(link: string | undefined, page: URL, registry: string): string | undefined {
  const target = /(?:^|,)\s*<([^<>]{1,4096})>\s*;(?:[^,<]*;)?\s*rel="?next"?/i.exec(link ?? '')?.[1]
  const next = target === undefined ? null : URL.parse(target, page.href)
  return next && [page.host, registry].includes(next.host) ? next.search.slice(1) || undefined : undefined
}
