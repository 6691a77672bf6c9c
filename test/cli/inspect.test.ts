import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, test } from 'vitest'
import { testImage } from '../../src/testing/test-image.ts'
import { CliFixture, image } from './cli-fixture.ts'
import { runCli } from './run-cli.ts'

let fixture: CliFixture
beforeEach(async () => {
  fixture = await CliFixture.open()
})
afterEach(() => fixture[Symbol.asyncDispose]())

describe('inspect', () => {
  test('shows what the image consists of, and fetches no layer', async () => {
    const { code, stdout, stderr } = await runCli(fixture.node('a', 'inspect', fixture.tag, '--json'))
    assert.equal(code, 0, stderr)
    const { manifest, config, layers } = image
    assert.deepEqual(JSON.parse(stdout), {
      event: 'inspected',
      reference: fixture.tag,
      digest: manifest.digest,
      manifest,
      config,
      layers,
      platforms: [],
    })
    for (const { digest } of layers) assert.equal(fixture.origin.bytesSent(digest), 0)
  })

  test('lists the platforms of an index, and takes the one that is asked for', async () => {
    const arm = testImage({ seed: 8, layerSizes: [100], platform: { os: 'linux', architecture: 'arm64', variant: 'v8' } })
    arm.addTo(fixture.origin, 'team/app')
    const mediaType = 'application/vnd.oci.image.index.v1+json'
    const manifests = [image, arm].map(({ manifest, platform }) => ({ ...manifest, platform }))
    const index = new TextEncoder().encode(JSON.stringify({ schemaVersion: 2, mediaType, manifests }))
    const digest = fixture.origin.addManifest('team/app', 'multi', index, mediaType)
    const multi = `${fixture.origin.host}/team/app:multi`
    const { code, stdout, stderr } = await runCli(fixture.node('a', 'inspect', multi, '--platform', 'linux/arm64', '--json'))
    assert.equal(code, 0, stderr)
    const found = JSON.parse(stdout)
    assert.equal(found.digest, digest)
    assert.deepEqual(found.manifest.digest, arm.manifest.digest)
    assert.equal(found.platform, 'linux/arm64/v8')
    assert.deepEqual(found.platforms, ['linux/amd64', 'linux/arm64/v8'])

    const refused = await runCli(fixture.node('a', 'inspect', multi, '--platform', 'linux/s390x'))
    assert.equal(refused.code, 2)
    assert.match(refused.stderr, /linux\/s390x: choose one of linux\/amd64, linux\/arm64\/v8/)
  })
})
