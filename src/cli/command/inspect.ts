import { parseReference, printReference, type Descriptor, type Platform } from '../../index.ts'
import type { CommandContext } from '../command-context.ts'
import { withSwarm } from '../with-swarm.ts'

/** Shows what an image consists of; fetches manifests only. */
export async function inspect({ settings, output, signal }: CommandContext, text: string): Promise<void> {
  const reference = parseReference(text)
  await withSwarm(settings, output.logger, async (swarm) => {
    const image = await swarm.resolve(text, { platform: settings.platform, signal })
    const platform = image.platform && printPlatform(image.platform)
    output.event({
      event: 'inspected',
      reference: printReference(reference),
      digest: image.digest,
      manifest: image.manifest.descriptor,
      config: describe(image.config),
      layers: image.layers.map(describe),
      platform,
      platforms: image.index ? readPlatforms(image.index.bytes) : platform ? [platform] : [],
    })
  })
}

/** A layer also knows its origin, which is no part of the image. */
function describe({ mediaType, digest, size }: Descriptor): Descriptor {
  return { mediaType, digest, size }
}

/** Attestations and the like, for `unknown/unknown`, are no images. */
function readPlatforms(index: Uint8Array): string[] {
  const { manifests }: { manifests: { platform?: Platform }[] } = JSON.parse(new TextDecoder().decode(index))
  const named = manifests.flatMap(({ platform }) => (isNamed(platform) && platform.os !== 'unknown' ? [platform] : []))
  return [...new Set(named.map(printPlatform))]
}

/** Who wrote the index may have written anything there. */
function isNamed(platform: Platform | null | undefined): platform is Platform {
  return typeof platform?.os === 'string' && typeof platform.architecture === 'string'
}

function printPlatform({ os, architecture, variant }: Platform): string {
  return [os, architecture, ...(variant ? [variant] : [])].join('/')
}
