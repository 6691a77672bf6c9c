import type { KadDHTComponents } from '@libp2p/kad-dht'
import type { Clock } from '../core/clock.ts'

type Datastore = KadDHTComponents['datastore']
type Key = Parameters<Datastore['put']>[0]

/** How long a provider record is kept after it was last provided, in milliseconds. */
export const recordValidityMs: number = 3_600_000
/** Topics that one node provides at once. */
export const maxTopicsPerNode = 256
/** Records that are kept of one topic, the latest: all of them ride in one answer, and nobody asks for more. */
const maxProvidersPerTopic = 64
/** Records that are kept in all. */
const maxRecords = 20_000

interface ProviderRecord<K> {
  readonly key: K
  readonly value: Uint8Array
  readonly keptAtMs: number
}

/**
 * Provider records that strangers gave us to keep, bounded by topic, by provider and in all; the oldest give way.
 * kad-dht itself keeps all that it is sent, and answers with every record of a topic in one message.
 */
export class ProviderRecords<K extends { toString(): string } = Key> {
  readonly #clock: Clock
  /** By key, oldest first. */
  readonly #records = new Map<string, ProviderRecord<K>>()
  readonly #byTopic = new Map<string, Set<string>>()
  readonly #byProvider = new Map<string, Set<string>>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  get size(): number {
    return this.#records.size
  }

  put(key: K, value: Uint8Array): void {
    const path = key.toString()
    const { topic, provider } = split(path)
    this.delete(path)
    this.#records.set(path, { key, value, keptAtMs: this.#clock.monotonicMs() })
    this.#index(this.#byTopic, topic, path, maxProvidersPerTopic)
    this.#index(this.#byProvider, provider, path, maxTopicsPerNode)
    if (this.#records.size > maxRecords) this.#deleteOldest(this.#records.keys())
  }

  delete(path: string): void {
    if (!this.#records.delete(path)) return
    const { topic, provider } = split(path)
    unindex(this.#byTopic, topic, path)
    unindex(this.#byProvider, provider, path)
  }

  /** The records of a topic that are still valid; of all topics without one. */
  *of(topic?: string): Generator<{ key: K; value: Uint8Array }> {
    const oldestMs = this.#clock.monotonicMs() - recordValidityMs
    const paths = topic === undefined ? this.#records.keys() : (this.#byTopic.get(topic) ?? [])
    for (const path of paths) {
      const record = this.#records.get(path)
      if (!record) continue
      if (record.keptAtMs > oldestMs) yield record
      else this.delete(path)
    }
  }

  #index(index: Map<string, Set<string>>, name: string, path: string, max: number): void {
    const paths = index.get(name) ?? new Set()
    index.set(name, paths.add(path))
    if (paths.size > max) this.#deleteOldest(paths.values())
  }

  #deleteOldest(paths: Iterator<string, void>): void {
    const { value } = paths.next()
    if (value !== undefined) this.delete(value)
  }
}

/** A datastore like `inner`, but for what is below `prefix`: that is kept in `records`. */
export function withProviderRecords(inner: Datastore, prefix: string, records: ProviderRecords): Datastore {
  const isRecord = (path: string): boolean => path.startsWith(`${prefix}/`)
  return {
    has: (key, options) => inner.has(key, options),
    get: (key, options) => inner.get(key, options),
    getMany: (source, options) => inner.getMany(source, options),
    putMany: (source, options) => inner.putMany(source, options),
    deleteMany: (source, options) => inner.deleteMany(source, options),
    batch: () => inner.batch(),
    queryKeys: (query, options) => inner.queryKeys(query, options),
    put(key, value, options) {
      if (!isRecord(key.toString())) return inner.put(key, value, options)
      records.put(key, value)
      return key
    },
    delete(key, options) {
      if (!isRecord(key.toString())) return inner.delete(key, options)
      records.delete(key.toString())
    },
    query(query, options) {
      if (query.prefix === prefix) return records.of()
      return query.prefix && isRecord(query.prefix) ? records.of(query.prefix) : inner.query(query, options)
    },
  }
}

/** kad-dht's keys are `<prefix>/<topic>/<peer id>`; a topic is named by all but the last part. */
function split(path: string): { topic: string; provider: string } {
  const slash = path.lastIndexOf('/')
  return { topic: path.slice(0, slash), provider: path.slice(slash + 1) }
}

function unindex(index: Map<string, Set<string>>, name: string, path: string): void {
  const paths = index.get(name)
  paths?.delete(path)
  if (paths?.size === 0) index.delete(name)
}
