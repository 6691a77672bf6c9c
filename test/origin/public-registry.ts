import { seededRandom } from '../../src/core/random.ts'
import { silentLogger } from '../../src/core/log.ts'
import type { Origin } from '../../src/core/origin.ts'
import { addressScope, type AddressScope } from '../../src/oci/address-scope.ts'
import type { Lookup } from '../../src/oci/connector.ts'
import type { RegistryAuth } from '../../src/oci/credential.ts'
import { HostGates } from '../../src/oci/host-gates.ts'
import { HttpClient } from '../../src/oci/http-client.ts'
import { RegistryAuthorizer } from '../../src/oci/registry-authorizer.ts'
import { RegistryClient } from '../../src/oci/registry-client.ts'
import { RegistryEndpoint } from '../../src/oci/registry-endpoint.ts'
import { TokenSource } from '../../src/oci/token-source.ts'
import type { BlobContent } from '../../src/testing/seeded-content.ts'
import type { ManualClock } from '../oci/manual-clock.ts'

/** This address plays a public one: nothing else on this machine can. */
export const publicAddress = '127.0.0.2'

/** Settings of {@link publicRegistry}. */
export interface PublicRegistryOptions {
  readonly url: string
  readonly clock: ManualClock
  readonly auth?: RegistryAuth | undefined
  readonly trustedRealms?: readonly string[] | undefined
  /** Addresses of names, each time somebody asks; without any, the question is never answered. */
  readonly names?: Readonly<Record<string, () => readonly string[] | undefined>> | undefined
}

/** The client of a registry in the public network, and the origin of one of its blobs. */
export function publicRegistry(options: PublicRegistryOptions): { client: RegistryClient; origin(content: BlobContent): Origin; close(): Promise<void> } {
  const { clock, auth, trustedRealms = [], names = {} } = options
  const url = new URL(options.url)
  const scopeOf = (address: string): AddressScope => (address === publicAddress ? 'public' : addressScope(address))
  const lookup: Lookup = (hostname, _, callback) => {
    const addresses = names[hostname]?.()
    if (!addresses && names[hostname]) return
    if (addresses) return callback(null, addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })))
    callback(Object.assign(new RangeError(`no address for ${hostname}`), { code: 'ENOTFOUND' }), [])
  }
  const gates = new HostGates(clock)
  const http = new HttpClient({ clock, scopeOf, lookup })
  const asker = { registry: url.host, url, insecure: url.protocol === 'http:', trustedRealms }
  const endpointOf = (credentials: RegistryAuth | undefined): RegistryEndpoint => {
    const authorizer = new RegistryAuthorizer({ ...asker, credentials: async () => credentials, tokens: new TokenSource(http, gates) })
    return new RegistryEndpoint({ url, mirrorOf: undefined, gates, http, auth: authorizer })
  }
  const client = new RegistryClient({ registry: url.host, endpoints: [endpointOf(auth)], anonymous: endpointOf(undefined), clock, random: seededRandom(1), logger: silentLogger })
  return {
    client,
    origin: ({ digest, sizeBytes }) => ({
      name: `${url.host}/team/app`,
      hosts: client.hosts,
      read: (range, { signal, onWait } = {}) => client.blob('team/app', digest, { range, sizeBytes, signal, onWait }),
    }),
    close: () => http.close(),
  }
}
