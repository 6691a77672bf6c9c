import assert from 'node:assert/strict'
import { describe, test } from 'vitest'
import type { Platform } from '../../src/core/descriptor.ts'
import type { ImageIndex } from '../../src/oci/image-manifest.ts'
import { choosePlatform, nativePlatform, parsePlatform, printPlatform } from '../../src/oci/platform.ts'

/** An index whose entries have their position as size. */
function indexOf(...platforms: (string | Platform | undefined)[]): ImageIndex {
  const manifests = platforms.map((entry, position) => {
    const [os = '', architecture = '', variant] = typeof entry === 'string' ? entry.split('/') : []
    const platform = typeof entry === 'string' ? { os, architecture, ...(variant && { variant }) } : entry
    const digest = `sha256:${position.toString(16).padStart(64, '0')}` as const
    return { mediaType: 'm', digest, size: position + 1, ...(platform && { platform }) }
  })
  return { kind: 'index', mediaType: 'i', manifests }
}

describe('parsePlatform', () => {
  const table: [text: string, printed: string][] = [
    ['linux/amd64', 'linux/amd64/v1'],
    ['Linux/x86_64', 'linux/amd64/v1'],
    ['linux/arm64', 'linux/arm64/v8'],
    ['linux/aarch64', 'linux/arm64/v8'],
    ['linux/arm', 'linux/arm/v7'],
    ['linux/armel', 'linux/arm/v6'],
    ['linux/arm/6', 'linux/arm/v6'],
    ['linux/s390x', 'linux/s390x'],
    ['windows/amd64', 'windows/amd64/v1'],
  ]
  for (const [text, printed] of table) {
    test(`${text} is ${printed}`, () => {
      assert.equal(printPlatform(parsePlatform(text)), printed)
    })
  }

  for (const text of ['', 'linux', 'linux/', '/amd64', 'a/b/c/d', 'linux/amd 64', 'x'.repeat(100_000)]) {
    test(`${JSON.stringify(text.slice(0, 20))} is refused`, () => {
      assert.throws(() => parsePlatform(text), { code: 'ERR_REQUEST_PLATFORM' })
    })
  }
})

describe('nativePlatform', () => {
  test("Node's names of architectures become OCI's, with Linux as the system", () => {
    assert.equal(printPlatform(nativePlatform('x64')), 'linux/amd64/v1')
    assert.equal(printPlatform(nativePlatform('arm64')), 'linux/arm64/v8')
    assert.equal(printPlatform(nativePlatform('ppc64')), 'linux/ppc64le')
    assert.equal(printPlatform(nativePlatform('riscv64')), 'linux/riscv64')
  })
})

describe('choosePlatform', () => {
  const table: [what: string, index: ImageIndex, wanted: string, position: number][] = [
    ['the same platform', indexOf('linux/amd64', 'linux/arm64'), 'linux/arm64', 1],
    ['a variant that is the usual one', indexOf('linux/amd64', 'linux/arm64/v8'), 'linux/arm64', 1],
    ['no variant where the usual one is wanted', indexOf('linux/arm64'), 'linux/arm64/v8', 0],
    ['the newest variant that runs', indexOf('linux/arm/v5', 'linux/arm/v7', 'linux/arm/v6', 'linux/arm/v8'), 'linux/arm/v7', 1],
    ['an older variant', indexOf('linux/arm/v5', 'linux/arm/v6'), 'linux/arm/v7', 1],
    ['the plain amd64', indexOf('linux/amd64/v3', 'linux/amd64'), 'linux/amd64', 1],
    ['the first of equals', indexOf('linux/amd64', 'linux/amd64'), 'linux/amd64', 0],
    ['the image among attestations', indexOf('unknown/unknown', 'linux/amd64', 'unknown/unknown'), 'linux/amd64', 1],
    ['a lone entry without a platform', indexOf(undefined), 'linux/amd64', 0],
  ]
  for (const [what, index, wanted, position] of table) {
    test(`takes ${what}`, () => {
      assert.equal(choosePlatform(index, parsePlatform(wanted)).size, position + 1)
    })
  }

  test('takes the Windows image of the same build', () => {
    const windows = (version: string): Platform => ({ os: 'windows', architecture: 'amd64', 'os.version': version })
    const index = indexOf(windows('10.0.17763.1'), windows('10.0.20348.1'))
    assert.equal(choosePlatform(index, windows('10.0.20348.999')).size, 2)
    assert.throws(() => choosePlatform(index, windows('10.0.9.1')), { code: 'ERR_REQUEST_PLATFORM' })
  })

  const missing: [what: string, index: ImageIndex, wanted: string][] = [
    ['another architecture', indexOf('linux/arm64'), 'linux/amd64'],
    ['another system', indexOf('windows/amd64'), 'linux/amd64'],
    ['a newer variant only', indexOf('linux/arm/v7'), 'linux/arm/v6'],
    ['an empty index', indexOf(), 'linux/amd64'],
    ['several entries without platforms', indexOf(undefined, undefined), 'linux/amd64'],
  ]
  for (const [what, index, wanted] of missing) {
    test(`refuses ${what}`, () => {
      assert.throws(() => choosePlatform(index, parsePlatform(wanted)), { code: 'ERR_REQUEST_PLATFORM' })
    })
  }

  test('says what there is instead', () => {
    const index = indexOf('linux/arm64', 'linux/s390x', 'unknown/unknown')
    assert.throws(() => choosePlatform(index, parsePlatform('linux/amd64')), /choose one of linux\/arm64, linux\/s390x$/)
  })
})
