import { RequestError } from '../core/errors.ts'
import { parseRegistry, splitRegistry } from '../core/reference.ts'
import { Refusal } from './refusal.ts'

/** Which registry a request is for, and what the repository is called there. */
export interface Upstream {
  readonly registry: string
  readonly repository: string
}

/** The closed list of registries that a mirror stands in for. What a client writes is looked up in it, never dialled. */
export class Upstreams {
  readonly #registries: ReadonlySet<string>
  readonly #default: string | undefined

  /**
   * @param registries - names as references have them
   * @param fallback - whose a request is that names none; without it, the only one there is, or Docker Hub, if listed
   * @throws {@link RequestError} `ERR_REQUEST_OPTION`
   */
  constructor(registries: readonly string[], fallback?: string) {
    this.#registries = new Set(registries.map(readRegistry))
    if (this.#registries.size === 0) throw new RequestError('ERR_REQUEST_OPTION', 'upstreams is empty: name the registries that the mirror stands in for')
    const [only] = this.#registries
    const usual = this.#registries.size === 1 ? only : this.#registries.has('docker.io') ? 'docker.io' : undefined
    this.#default = fallback === undefined ? usual : readRegistry(fallback)
    if (this.#default !== undefined && !this.#registries.has(this.#default)) {
      throw new RequestError('ERR_REQUEST_OPTION', `defaultUpstream is ${this.#default}, which upstreams does not list`)
    }
  }

  /** Whose a request is that names none. */
  get default(): string | undefined {
    return this.#default
  }

  /** By `ns`, by the first part of the path, or the default. */
  of(path: string, namespace: string | undefined): Upstream | Refusal {
    if (namespace !== undefined) return this.#listed(namespace, path)
    const named = splitRegistry(path)
    if (named) return this.#listed(named.registry, named.repository)
    if (this.#default !== undefined) return { registry: this.#default, repository: path }
    return new Refusal(404, 'NAME_UNKNOWN', 'say which registry: by ns, or as the first part of the path')
  }

  #listed(registry: string, repository: string): Upstream | Refusal {
    if (this.#registries.has(registry)) return { registry, repository }
    return new Refusal(404, 'NAME_UNKNOWN', 'this mirror does not stand in for that registry')
  }
}

function readRegistry(name: string): string {
  const registry = parseRegistry(name)
  if (registry !== undefined) return registry
  throw new RequestError('ERR_REQUEST_OPTION', `upstreams: ${JSON.stringify(name.slice(0, 100))} is not a host with an optional port`)
}
