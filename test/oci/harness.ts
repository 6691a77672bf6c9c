import type { OriginBody } from '../../src/core/origin.ts'
import { Registries, type RegistriesInit } from '../../src/oci/registries.ts'
import type { RegistryClient } from '../../src/oci/registry-client.ts'
import { embeddedOrigin, type EmbeddedOrigin, type EmbeddedOriginOptions } from '../../src/testing/embedded-origin.ts'
import { ManualClock } from './manual-clock.ts'

/** A registry of this process with a client for it, on one clock that a test moves. */
export class Harness implements AsyncDisposable {
  readonly clock = new ManualClock()
  readonly #stack = new AsyncDisposableStack()

  async origin(options: EmbeddedOriginOptions = {}): Promise<EmbeddedOrigin> {
    return this.#stack.use(await embeddedOrigin({ clock: this.clock, ...options }))
  }

  /** A client of the first origin, which may use all of them without TLS. */
  client(origins: readonly EmbeddedOrigin[], init: RegistriesInit = {}): RegistryClient {
    return this.registries(origins, init).client(origins[0]?.host ?? '')
  }

  registries(origins: readonly EmbeddedOrigin[], init: RegistriesInit = {}): Registries {
    const { registries = {}, credentials = 'anonymous', clock = this.clock } = init
    const insecure = Object.fromEntries(origins.map(({ host }) => [host, { insecure: true, ...registries[host] }]))
    return this.#stack.use(new Registries({ clock, credentials, registries: { ...registries, ...insecure } }))
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync()
  }
}

/** All bytes of a body. */
export async function bytesOf(body: OriginBody | Promise<OriginBody>): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  for await (const chunk of (await body).chunks) chunks.push(chunk)
  return Buffer.concat(chunks)
}
