import type { Platform } from '../core/descriptor.ts'
import { RequestError } from '../core/errors.ts'
import { quoted } from '../core/quoted.ts'
import type { ImageIndex, IndexEntry } from './image-manifest.ts'

/** Other names under which architectures are known, with the variant that the name implies. */
const architectureAliases: ReadonlyMap<string, { architecture: string; variant?: string }> =
  new Map([
    ['x64', { architecture: 'amd64' }],
    ['x86_64', { architecture: 'amd64' }],
    ['x86-64', { architecture: 'amd64' }],
    ['ia32', { architecture: '386' }],
    ['i386', { architecture: '386' }],
    ['i686', { architecture: '386' }],
    ['aarch64', { architecture: 'arm64' }],
    ['armhf', { architecture: 'arm', variant: 'v7' }],
    ['armel', { architecture: 'arm', variant: 'v6' }],
    // Node's name; it has been little-endian only for years.
    ['ppc64', { architecture: 'ppc64le' }],
  ])

/** Of the platforms that there are, in an error. */
const maxShownLength = 800

/** The variant that is meant when none is named. */
const usualVariant: ReadonlyMap<string, string> = new Map([
  ['amd64', 'v1'],
  ['arm', 'v7'],
  ['arm64', 'v8'],
])

/**
 * Reads `os/architecture` or `os/architecture/variant`, as `docker pull --platform` takes it.
 * @throws {@link RequestError} `ERR_REQUEST_PLATFORM`
 */
export function parsePlatform(text: string): Platform {
  const match = /^([a-z0-9_.-]{1,64})\/([a-z0-9_.-]{1,64})(?:\/(v?[a-z0-9_.-]{1,64}))?$/.exec(
    text.toLowerCase(),
  )
  const [, os, architecture, variant] = match ?? []
  if (!os || !architecture) {
    throw new RequestError(
      'ERR_REQUEST_PLATFORM',
      `${quoted(text)} is not a platform: write os/architecture[/variant]`,
    )
  }
  return normalize({ os, architecture, variant })
}

/** `linux/arm64/v8`. */
export function printPlatform(platform: Platform): string {
  return [platform.os, platform.architecture, platform.variant].filter(Boolean).join('/')
}

/**
 * What containers run on where this process runs: its architecture, and Linux, for that is what they hold on a Mac or
 * in WSL as well.
 * @param architecture - as in `process.arch`
 */
export function nativePlatform(architecture: string): Platform {
  return normalize({ os: 'linux', architecture })
}

/**
 * The entry of an index for a platform. Of several variants that the wanted one can run, the newest; of equals, the
 * first. A lone entry that names no platform is taken for any.
 *
 * @throws {@link RequestError} `ERR_REQUEST_PLATFORM`, listing what there is
 */
export function choosePlatform(index: ImageIndex, wanted: Platform): IndexEntry {
  const target = normalize(wanted)
  let best: { entry: IndexEntry; rank: number } | undefined
  for (const entry of index.manifests) {
    const rank = entry.platform ? rankOf(normalize(entry.platform), target) : 0
    if (rank > (best?.rank ?? 0)) best = { entry, rank }
  }
  const [lone] = index.manifests
  const chosen = best?.entry ?? (index.manifests.length === 1 && !lone?.platform ? lone : undefined)
  if (chosen) return chosen
  throw new RequestError(
    'ERR_REQUEST_PLATFORM',
    `there is no image for ${printPlatform(wanted)}: ${offered(index)}`,
  )
}

/** 0 when the target cannot run it; otherwise the higher, the better it fits. */
function rankOf(offer: Platform, target: Platform): number {
  if (offer.os !== target.os || offer.architecture !== target.architecture) return 0
  if (!sameBuild(offer['os.version'], target['os.version'])) return 0
  if (offer.variant === target.variant) return Number.MAX_SAFE_INTEGER
  const [has, wants] = [generation(offer.variant), generation(target.variant)]
  return has <= wants ? has : 0
}

/** Windows images run on hosts of the same build; its first three numbers count, the fourth is a patch. */
function sameBuild(offer: string | undefined, target: string | undefined): boolean {
  const build = (version: string): string => version.split('.').slice(0, 3).join('.')
  return offer === undefined || target === undefined || build(offer) === build(target)
}

/** 8 of `v8`; not a number for variants that have no order. */
function generation(variant: string | undefined): number {
  return Number(/^v(\d{1,3})$/.exec(variant ?? '')?.[1] ?? Number.NaN)
}

function normalize(platform: Platform): Platform {
  const known = architectureAliases.get(platform.architecture.toLowerCase())
  const architecture = known?.architecture ?? platform.architecture.toLowerCase()
  const variant = (platform.variant ?? known?.variant ?? usualVariant.get(architecture))
    ?.toLowerCase()
    .replace(/^(?=\d)/, 'v')
  const osVersion = platform['os.version']
  return {
    os: platform.os.toLowerCase(),
    architecture,
    ...(variant && { variant }),
    ...(osVersion && { 'os.version': osVersion }),
  }
}

function offered(index: ImageIndex): string {
  // Attestations travel as images for unknown/unknown; they would only puzzle.
  const names = index.manifests.flatMap(({ platform }) =>
    platform && platform.os !== 'unknown' ? [printPlatform(platform)] : [],
  )
  const shown = [...new Set(names)].slice(0, 20).join(', ').slice(0, maxShownLength)
  return shown === '' ? 'its index names no platform' : `choose one of ${shown}`
}
