import type { Digest } from '../core/digest.ts'
import { withRepositories } from '../store/blob-facts.ts'
import type { NamedBlob, Sharing } from './sharing.ts'
import type { LinkEntry } from './swarm-context.ts'

/** Who may be told of a session's blob, and who may be asked for it. */
export class SessionAccess implements NamedBlob {
  readonly digest: Digest
  readonly #sharing: Sharing
  #private: boolean
  #repositories: readonly string[]

  constructor(sharing: Sharing, blob: NamedBlob) {
    this.#sharing = sharing
    this.digest = blob.digest
    this.#private = blob.private
    this.#repositories = blob.repositories
  }

  /** It came with credentials, or as private. */
  get private(): boolean {
    return this.#private
  }

  get repositories(): readonly string[] {
    return this.#repositories
  }

  mayTell(entry: LinkEntry): boolean {
    return this.#sharing.mayRead(entry, this)
  }

  get mayAsk(): boolean {
    return this.#sharing.mayAsk(this)
  }

  /** Whether anybody may learn that this node has to do with the blob. */
  get mayName(): boolean {
    return this.#sharing.mayName(this)
  }

  /** Whether who reads it is to keep it private. */
  get marked(): boolean {
    return !this.#sharing.isForAll(this)
  }

  /** It is wanted, or comes, under a name; says whether that is new. */
  named(repository: string, wasHere: boolean): boolean {
    const before = this.#repositories.length
    this.#repositories = withRepositories(this.#repositories, [repository], wasHere)
    return this.#repositories.length !== before
  }

  /**
   * It turned out to be private; says whether that is new.
   * @param byWordOfPeer - nobody here knows from where it came
   */
  becomePrivate(byWordOfPeer: boolean): boolean {
    const isNews = !this.#private || (byWordOfPeer && !this.#repositories.includes(''))
    this.#private = true
    if (byWordOfPeer) this.#repositories = withRepositories(this.#repositories, [''], false)
    return isNews
  }
}
