import assert from 'node:assert/strict'
import { describe, test } from 'vitest'
import { mediaTypes } from '../../src/core/descriptor.ts'
import { testImage } from '../../src/testing/test-image.ts'
import { FakeRegistry } from '../origin/fake-registry.ts'
import { TestNodes } from '../support/nodes.ts'
import { mirrorOf, registry } from './mirror-fixture.ts'

const tags = Array.from({ length: 10 }, (_, index) => `1.${index}`)

/** Gives tags in pages, as the distribution specification says. */
function pageTags(origin: FakeRegistry, linkOf: (query: string) => string = (query) => `</v2/team/app/tags/list?${query}>; rel="next"`): void {
  origin.misbehave('/v2/team/app/tags/list', ({ request, response }) => {
    const { searchParams } = new URL(request.url ?? '', 'http://x')
    const count = Number(searchParams.get('n') ?? tags.length)
    const from = tags.indexOf(searchParams.get('last') ?? '') + 1
    const page = tags.slice(from, from + count)
    const goesOn = from + count < tags.length
    const headers = { 'content-type': 'application/json', ...(goesOn && { link: linkOf(`n=${count}&last=${page.at(-1)}`) }) }
    response.writeHead(200, headers).end(JSON.stringify({ name: 'team/app', tags: page }))
  })
}

/** All that a client gets who goes from link to link; `follow` is how it reads one. */
async function readAll(start: string, follow: (target: string, from: string) => string): Promise<string[]> {
  const found: string[] = []
  let url: string | undefined = start
  while (url !== undefined) {
    const answer: Response = await fetch(url)
    assert.equal(answer.status, 200, url)
    found.push(...((await answer.json()) as { tags: string[] }).tags)
    const [, target] = /^<([^>]+)>; rel="next"$/.exec(answer.headers.get('link') ?? '') ?? []
    url = target === undefined ? undefined : follow(target, url)
  }
  return found
}

/** go-containerregistry, ORAS and containerd resolve the link; skopeo and podman take its path and its query. */
const followers: Record<string, (target: string, from: string) => string> = {
  'resolves links': (target, from) => new URL(target, from).href,
  'takes path and query': (target, from) => {
    const [path = '', query = ''] = target.split('?')
    return `${new URL(from).origin}${path}?${query}`
  },
}

describe('lists that a mirror passes on', () => {
  for (const [client, follow] of Object.entries(followers)) {
    for (const [way, path] of [['ns', `/v2/team/app/tags/list?n=3&ns=${registry}`], ['the path', `/v2/${registry}/team/app/tags/list?n=3`]] as const) {
      test(`are followed to the end by a client that ${client} and names the registry by ${way}`, async () => {
        await using origin = await FakeRegistry.open()
        await using nodes = new TestNodes()
        pageTags(origin)
        // Of two registries neither is the default: who loses the name of his is refused.
        const upstreams = { [registry]: { url: origin.url, insecure: true as const }, 'other.example': {} }
        const { mirror } = await mirrorOf(nodes, origin, { mirror: { upstreams } })
        assert.deepEqual(await readAll(mirror.url + path, follow), tags)
        const list = '/v2/team/app/tags/list'
        assert.deepEqual(origin.seen.map(({ path: asked }) => asked), [`${list}?n=3`, `${list}?n=3&last=1.2`, `${list}?n=3&last=1.5`, `${list}?n=3&last=1.8`])
      })
    }
  }

  test('come as the registry has them, anew each time', async () => {
    await using origin = await FakeRegistry.open()
    await using nodes = new TestNodes()
    pageTags(origin)
    const { mirror } = await mirrorOf(nodes, origin)
    const url = `${mirror.url}/v2/team/app/tags/list`
    for (const asked of [1, 2]) {
      const answer = await fetch(url)
      const said = [answer.headers.get('content-type'), answer.headers.get('link'), await answer.text()]
      assert.deepEqual(said, ['application/json', null, JSON.stringify({ name: 'team/app', tags })])
      assert.equal(origin.seen.length, asked)
    }
    const page = await fetch(`${url}?n=2&last=1.3`, { method: 'HEAD' })
    assert.deepEqual([page.status, page.headers.get('link'), await page.text()], [200, '</v2/team/app/tags/list?n=2&last=1.5>; rel="next"', ''])
    assert.equal((await fetch(`${mirror.url}/v2/team/other/tags/list`)).status, 404)
  })

  test('go on where the registry says, in its own words', async () => {
    await using origin = await FakeRegistry.open()
    await using nodes = new TestNodes()
    const { mirror } = await mirrorOf(nodes, origin)
    origin.misbehave('/tags/list', ({ request, response }) => {
      const { searchParams } = new URL(request.url ?? '', 'http://x')
      const page = Number(searchParams.get('next_page')?.split('/')[1] ?? 0)
      response.writeHead(200, page < 2 ? { link: `<${request.url?.split('?')[0]}?next_page=p%2F${page + 1}>; rel="next"` } : {})
      response.end(JSON.stringify({ tags: [`page-${page}`] }))
    })
    const found = await readAll(`${mirror.url}/v2/team/app/tags/list?ns=${registry}`, (target, from) => new URL(target, from).href)
    assert.deepEqual(found, ['page-0', 'page-1', 'page-2'])
  })

  test('lead back to the mirror, and nowhere when the registry leads elsewhere', async () => {
    await using origin = await FakeRegistry.open()
    await using nodes = new TestNodes()
    const { mirror } = await mirrorOf(nodes, origin)
    const next = '</v2/team/app/tags/list?n=1&last=1.0>; rel="next"'
    const table: [link: (query: string) => string, relayed: string | null][] = [
      [(query) => `<${origin.url}/v2/team/app/tags/list?${query}>; rel="next"`, next],
      // Behind a proxy it knows its own name, and not how it was reached.
      [(query) => `<https://${registry}/v2/team/app/tags/list?${query}>; rel="next"`, next],
      [(query) => `<?${query}>; rel=next`, next],
      [(query) => `</v2/team/app/tags/list?n=1>; rel="prev", </v2/team/app/tags/list?${query}>; rel="next"`, next],
      [(query) => `</v2/team/app/tags/list?${query}&ns=elsewhere.example>; title="x"; rel="next"`, next],
      [(query) => `<https://evil.example/v2/team/app/tags/list?${query}>; rel="next"`, null],
      [(query) => `<//evil.example/v2/team/app/tags/list?${query}>; rel="next"`, null],
      [(query) => `<https://${registry}@evil.example/?${query}>; rel="next"`, null],
      [(query) => `<https://${registry}:444/?${query}>; rel="next"`, null],
      [(query) => `<javascript:alert(1)?${query}>; rel="next"`, null],
      [(query) => `</v2/team/app/tags/list?${query}>; rel="prev"`, null],
      [() => '</v2/team/app/tags/list>; rel="next"', null],
    ]
    for (const [linkOf, relayed] of table) {
      pageTags(origin, linkOf)
      const answer = await fetch(`${mirror.url}/v2/team/app/tags/list?n=1`)
      assert.deepEqual([answer.status, answer.headers.get('link')], [200, relayed], linkOf('x=y'))
    }
  })

  test('are referrers, too, with what they are filtered by', async () => {
    await using origin = await FakeRegistry.open()
    await using nodes = new TestNodes()
    const { digest } = testImage({ seed: 1, layerSizes: [10] }).manifest
    const artifactType = 'application/vnd.example.sbom+json'
    const index = JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests: [] })
    origin.misbehave(`/v2/team/app/referrers/${digest}`, ({ request, response }) => {
      const query = new URLSearchParams(request.url?.split('?')[1])
      const isFiltered = query.get('artifactType') === artifactType
      query.set('last', 'x')
      response.writeHead(200, {
        'content-type': mediaTypes.ociIndex,
        ...(isFiltered && { 'oci-filters-applied': 'artifactType' }),
        link: `</v2/team/app/referrers/${digest}?${query.toString()}>; rel="next"`,
      })
      response.end(index)
    })
    const { mirror } = await mirrorOf(nodes, origin)
    const path = `/v2/team/app/referrers/${digest}`
    const filter = `artifactType=${encodeURIComponent(artifactType)}`
    const filtered = await fetch(`${mirror.url}${path}?ns=${registry}&${filter}`)
    assert.deepEqual(
      [filtered.status, filtered.headers.get('content-type'), filtered.headers.get('oci-filters-applied'), filtered.headers.get('oci-namespace'), await filtered.text()],
      [200, mediaTypes.ociIndex, 'artifactType', registry, index],
    )
    assert.equal(filtered.headers.get('link'), `<${path}?${filter}&last=x&ns=${registry}>; rel="next"`)
    assert.equal((await fetch(mirror.url + path)).headers.get('oci-filters-applied'), null)
    assert.deepEqual(origin.seen.map(({ path: asked }) => asked), [`${path}?${filter}`, path])
    // Clients then look for a tag that is called like the digest.
    const unknown = await fetch(`${mirror.url}/v2/team/other/referrers/${digest}`)
    assert.equal(unknown.status, 404)
  })
})
