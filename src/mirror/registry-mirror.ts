import { CleanUp } from '../core/clean-up.ts'
import { systemClock, type Clock } from '../core/clock.ts'
import { RequestError } from '../core/errors.ts'
import { silentLogger, type Logger } from '../core/log.ts'
import { ManifestResolver } from '../oci/manifest-resolver.ts'
import type { Credentials } from '../oci/registries.ts'
import type { RegistryOptions } from '../oci/registry-settings.ts'
import type { Swarm } from '../swarm/swarm.ts'
import { CallerAccess } from './caller-access.ts'
import { LoopGuard } from './loop-guard.ts'
import { MirrorHandler } from './mirror-handler.ts'
import { NodeServer } from './node-server.ts'
import { Upstreams } from './upstreams.ts'
import { webHandler, type WebHandler } from './web-handler.ts'

/**
 * Settings of {@link RegistryMirror}.
 * @public
 */
export interface RegistryMirrorOptions {
  /**
   * The registries that it stands in for, by name, and how to reach each: `{ 'docker.io': {} }`. It asks no other, whatever a client writes.
   */
  upstreams: Readonly<Record<string, RegistryOptions>>
  /** Whose a request is that names no registry. @defaultValue the only upstream; of several, `docker.io` */
  defaultUpstream?: string | undefined
  /** Where to listen: an IP address and a port. @defaultValue `'127.0.0.1:5001'` */
  listen?: string | undefined
  /** Names by which clients call the mirror, besides addresses and `localhost`. @defaultValue none */
  hostNames?: readonly string[] | undefined
  /**
   * Who may pull through it: `node` lets everybody who can reach it have what this node may read at the registries; `passthrough` asks the registry with the
   * caller's own credentials before anything is served, also what is here already. @defaultValue `'node'`
   */
  auth?: 'node' | 'passthrough' | undefined
  /** With `auth: 'node'`, for upstreams without an `auth` of their own. @defaultValue `'default'`: the user's docker and podman logins */
  credentials?: Credentials | undefined
  /** @defaultValue the machine's clock */
  clock?: Clock | undefined
  /** @defaultValue a logger that says nothing */
  logger?: Logger | undefined
}

/**
 * A registry on this machine for container engines that know nothing of swarms: it serves the pull API, and what it serves comes through the swarm.
 * Everybody who can reach it can pull what this node can.
 *
 * @example
 * ```ts
 * import { createSwarm, RegistryMirror } from 'damselfly'
 *
 * await using swarm = await createSwarm()
 * await using mirror = new RegistryMirror(swarm, { upstreams: { 'docker.io': {} } })
 * await mirror.start()
 * console.log(mirror.url)
 * ```
 * @public
 */
export class RegistryMirror implements AsyncDisposable {
  /** For a server of your own: mount it, and leave {@link RegistryMirror.start} out. */
  readonly handler: WebHandler
  readonly #resolver: ManifestResolver
  readonly #server: NodeServer
  readonly #callers: CallerAccess | undefined
  #url: string | undefined
  #closed: Promise<void> | undefined

  /** @throws {@link RequestError} `ERR_REQUEST_OPTION` when a setting cannot be used; it says which and why */
  constructor(swarm: Swarm, options: RegistryMirrorOptions) {
    const { upstreams: registries, credentials, clock = systemClock, logger = silentLogger } = options
    const upstreams = new Upstreams(Object.keys(registries), options.defaultUpstream)
    const { host, port } = parseListen(options.listen ?? '127.0.0.1:5001')
    const loops = new LoopGuard(swarm.stats().peerId)
    const queues = swarm.resolver.registries
    this.#resolver = new ManifestResolver({ registries, credentials, clock, logger, queues, headers: loops.headers })
    const { auth = 'node' } = options
    if (auth !== 'node' && auth !== 'passthrough') {
      throw new RequestError('ERR_REQUEST_OPTION', `auth is ${String(auth)}: write 'node' or 'passthrough'`)
    }
    if (auth === 'passthrough') this.#callers = new CallerAccess({ upstreams: registries, queues, loops, clock, logger })
    const handler = new MirrorHandler({ swarm, resolver: this.#resolver, upstreams, loops, clock, callers: this.#callers, isOpen: () => this.#closed === undefined })
    this.handler = webHandler((request) => handler.answer(request))
    this.#server = new NodeServer({ host, port, hostNames: options.hostNames ?? [], answer: (request) => handler.answer(request), clock, logger })
  }

  /**
   * Where it listens: `http://127.0.0.1:5001`.
   * @throws {@link RequestError} `ERR_REQUEST_OPTION` before it was started
   */
  get url(): string {
    if (this.#url !== undefined) return this.#url
    throw new RequestError('ERR_REQUEST_OPTION', 'the mirror listens nowhere yet: start it first')
  }

  /**
   * Begins to serve.
   * @throws {@link RequestError} `ERR_REQUEST_OPTION` when it cannot listen there
   */
  async start(): Promise<void> {
    this.#url = await this.#server.listen().catch((cause: unknown) => {
      throw new RequestError('ERR_REQUEST_OPTION', 'the mirror cannot listen there: give an address of this machine and a port that is free', { cause })
    })
  }

  /** Refuses what comes from now on, and ends when the answers under way have, after 30 s at the latest. The swarm goes on. */
  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  /** Closes it. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #close(): Promise<void> {
    await using parts = new CleanUp()
    parts.defer(() => this.#resolver.close())
    parts.defer(async () => this.#callers?.close())
    if (this.#url !== undefined) parts.defer(() => this.#server.close())
  }
}

function parseListen(listen: string): { host: string; port: number } {
  const match = /^(?:\[([0-9a-f:.]+)\]|([0-9.]+)):(\d{1,5})$/i.exec(listen)
  const port = Number(match?.[3])
  const host = match?.[1] ?? match?.[2]
  if (host !== undefined && port <= 65_535) return { host, port }
  throw new RequestError('ERR_REQUEST_OPTION', `listen is ${JSON.stringify(listen)}: write an IP address and a port, such as 127.0.0.1:5001`)
}
