import { RegistryMirror, RequestError, type RegistryOptions, type Swarm } from '../index.ts'
import type { Settings, UpstreamChoice } from './config.ts'
import type { Output } from './output.ts'

/**
 * Starts the registry mirror that the settings ask for, if they do.
 * @throws {@link RequestError} when what they say of it does not fit together
 */
export async function openMirror(swarm: Swarm, settings: Settings, output: Output): Promise<RegistryMirror | undefined> {
  const { mirror: listen, upstreams, mirrorAuth, insecureHosts } = settings
  if (listen === undefined) {
    if (upstreams.length === 0) return undefined
    throw badFlags('--upstream names registries for a mirror, and there is none: add --mirror 127.0.0.1:5001')
  }
  if (upstreams.length === 0) throw badFlags('--mirror needs the registries that it stands in for: add --upstream docker.io, once for each')
  const mirror = new RegistryMirror(swarm, {
    // Engines' files say http://, which this is: what DAMSELFLY_MIRROR holds may serve both.
    listen: listen.replace(/^http:\/\/([^/]+)\/?$/, '$1'),
    upstreams: readUpstreams(upstreams, insecureHosts),
    auth: mirrorAuth,
    logger: output.logger,
  })
  try {
    await mirror.start()
  } catch (error) {
    await mirror.close()
    throw error
  }
  if (mirrorAuth === 'node') {
    output.note(`warning: everybody who can connect to ${mirror.url} can pull what this node can; --mirror-auth passthrough asks the registry for each caller`)
  }
  return mirror
}

function readUpstreams(upstreams: readonly UpstreamChoice[], insecureHosts: readonly string[]): Record<string, RegistryOptions> {
  const options = new Map<string, RegistryOptions>()
  for (const { registry, url } of upstreams) {
    if (options.has(registry)) throw badFlags(`--upstream names ${registry} twice: name it once`)
    const host = url === undefined ? registry : new URL(url).host
    const insecure = insecureHosts.includes(registry) || insecureHosts.includes(host)
    if (url?.startsWith('http:') && !insecure) throw badFlags(`--upstream ${registry} is plain HTTP: allow that with --insecure ${host}`)
    options.set(registry, { ...(url !== undefined && { url }), ...(insecure && { insecure }) })
  }
  return Object.fromEntries(options)
}

function badFlags(message: string): RequestError {
  return new RequestError('ERR_REQUEST_OPTION', message)
}
