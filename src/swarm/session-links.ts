import { Bitfield } from '../core/bitfield.ts'
import { pieceRange } from '../core/piece-layout.ts'
import type { LinkId, SessionEvent } from '../engine/session-event.ts'
import type { SessionState } from '../engine/session-state.ts'
import type { BitfieldMessage, ControlMessage } from '../wire/messages.ts'
import type { BlobCopy } from './blob-copy.ts'
import { ToldHashes } from './piece-hashes.ts'
import { pieceIntake } from './piece-intake.ts'
import { emptyCopy, type LinkEntry, type SwarmContext } from './swarm-context.ts'

/** What the links of a session need of it. */
export interface SessionLinksInit {
  readonly context: SwarmContext
  readonly copy: BlobCopy
  readonly state: SessionState
  readonly isPrivate: () => boolean
  readonly dispatch: (event: SessionEvent) => void
  /** Stores a verified piece of a peer; resolves when its bytes are out of memory. */
  readonly keep: (
    entry: LinkEntry,
    piece: number,
    chunks: readonly Uint8Array[],
    hash: Uint8Array,
  ) => Promise<void>
}

interface Attached {
  readonly entry: LinkEntry
  readonly hashes: ToldHashes
  readonly cancels: Map<number, () => void>
}

/** One session's side of its links: what peers are told of the blob, what they tell, and the requests to them. */
export class SessionLinks {
  readonly #init: SessionLinksInit
  readonly #attached = new Map<LinkId, Attached>()

  constructor(init: SessionLinksInit) {
    this.#init = init
  }

  entry(link: LinkId): LinkEntry | undefined {
    return this.#attached.get(link)?.entry
  }

  /** False when it was attached before. */
  attach(entry: LinkEntry): boolean {
    if (this.#attached.has(entry.id)) return false
    const { digest, layout } = this.#init.copy
    this.#attached.set(entry.id, { entry, hashes: new ToldHashes(digest, layout), cancels: new Map() })
    return true
  }

  /** Its requests are taken back: nobody waits for them. */
  detach(link: LinkId): boolean {
    const cancels = this.#attached.get(link)?.cancels
    for (const cancel of cancels?.values() ?? []) cancel()
    return this.#attached.delete(link)
  }

  entries(): LinkEntry[] {
    return [...this.#attached.values()].map(({ entry }) => entry)
  }

  /** What an attached peer says of the blob, as the engine understands it. */
  receive(entry: LinkEntry, message: ControlMessage): void {
    const attached = this.#attached.get(entry.id)
    if (!attached) return
    const { dispatch, state } = this.#init
    const { hashes } = attached
    const link = entry.id
    switch (message.type) {
      case 'bitfield':
        this.#tellCopyOf(entry, this.#holds(hashes, message), message.wants)
        break
      case 'hashes':
        // Kept only while they can be of use: a peer could tell 2 MiB of them for each blob that we hold.
        if (state.phase === 'complete') break
        for (const [index, hash] of message.hashes.entries()) hashes.tell(message.first + index, hash)
        break
      case 'have':
        dispatch({ type: 'link:have', link, pieces: hashes.known(message.pieces) })
        break
      case 'fresh':
        dispatch({ type: 'link:fresh', link, pieces: hashes.known(message.pieces) })
        break
      case 'fetching':
        dispatch({ type: 'link:fetching', link, runs: message.runs })
        break
      case 'forget':
        dispatch({ type: 'link:forgot', link })
        break
      default:
        break
    }
  }

  send(link: LinkId, messages: readonly ControlMessage[]): void {
    const entry = this.entry(link)
    if (entry) for (const message of messages) entry.link.send(message)
  }

  /** Tells a peer our copy; a peer that wants the blob is told the piece hashes too. */
  async tellCopy(link: LinkId, wants: boolean): Promise<void> {
    const { copy, context } = this.#init
    try {
      await copy.loadHashes()
    } catch (error) {
      context.logger.warn('piece hashes could not be read', { digest: copy.digest, error })
      this.send(link, [emptyCopy(copy.digest, copy.layout.sizeBytes)])
      return
    }
    this.send(link, this.#describe(wants, this.#init.state.links.get(link)?.wants ?? false))
  }

  /** Answers a peer that asks what we hold without wanting to hear more. */
  answer(entry: LinkEntry): void {
    for (const message of this.#describe(false, false)) entry.link.send(message)
  }

  request(link: LinkId, piece: number): void {
    const { copy, dispatch, keep } = this.#init
    const attached = this.#attached.get(link)
    const hash = attached?.hashes.of(piece)
    if (!attached || !hash) {
      dispatch({ type: 'request:ended', link, piece, outcome: { kind: 'absent' } })
      return
    }
    const { entry, cancels } = attached
    const sink = pieceIntake(hash, {
      sent: () => dispatch({ type: 'request:sent', link, piece }),
      moved: (bytes) => dispatch({ type: 'request:moved', link, piece, bytes }),
      verified: (chunks, release) => {
        cancels.delete(piece)
        dispatch({ type: 'request:ended', link, piece, outcome: { kind: 'verified' } })
        void keep(entry, piece, chunks, hash).finally(release)
      },
      ended: (outcome) => {
        cancels.delete(piece)
        dispatch({ type: 'request:ended', link, piece, outcome })
      },
    })
    const sizeBytes = pieceRange(copy.layout, piece).length
    cancels.set(piece, entry.lane.request(copy.digest, piece, sizeBytes, sink))
  }

  cancel(link: LinkId, piece: number): void {
    const cancels = this.#attached.get(link)?.cancels
    const cancel = cancels?.get(piece)
    cancels?.delete(piece)
    cancel?.()
  }

  #describe(wants: boolean, withHashes: boolean): ControlMessage[] {
    const { copy, state, isPrivate } = this.#init
    const complete = state.phase === 'complete'
    return copy.describe(state.stored, { wants, complete, private: isPrivate(), withHashes })
  }

  /** Pieces that the peer has and whose hash it told: only they can be checked. */
  #tellCopyOf(entry: LinkEntry, holds: number[] | 'all', wants: boolean): void {
    const { dispatch, state, context, copy } = this.#init
    if (state.phase === 'loading') {
      const complete = holds === 'all'
      const pieces = complete ? copy.layout.pieceCount : holds.length
      context.history.note(copy.digest, { type: 'peer:answered', peerId: entry.link.peerId, pieces, complete })
    }
    dispatch({ type: 'link:copy', link: entry.id, holds, wants })
  }

  #holds(hashes: ToldHashes, message: BitfieldMessage): number[] | 'all' {
    const { layout } = this.#init.copy
    if (message.sizeBytes !== layout.sizeBytes) return []
    if (!message.complete) {
      return hashes.known(Bitfield.fromBytes(message.bits, layout.pieceCount)?.indexes() ?? [])
    }
    const known = hashes.known(Array.from({ length: layout.pieceCount }, (_, piece) => piece))
    return known.length === layout.pieceCount ? 'all' : known
  }
}
