import type { Clock } from '../core/clock.ts'
import { PeerError } from '../core/errors.ts'
import { LruMap } from '../core/lru-map.ts'
import type { Metrics } from '../metrics/metrics.ts'
import type { Refusals } from '../net/connection-gater.ts'
import type { Libp2pNode } from '../net/libp2p-node.ts'
import type { Libp2pConnection } from '../net/libp2p-types.ts'
import { hostOf } from '../net/multiaddr-host.ts'
import type { TrustedRanges } from '../net/trusted-ranges.ts'
import type { BanList, BanReason } from '../trust/ban-list.ts'
import type { Bans } from './bans.ts'
import type { Emit } from './swarm-context.ts'

/** Peers whose address is remembered after they have left. */
const maxAddresses = 4096

/** What {@link PeerBans} works with; made before the libp2p node, which asks it whom to refuse. */
export interface PeerBansInit {
  readonly list: BanList
  readonly clock: Clock
  readonly metrics: Metrics
  readonly ranges: TrustedRanges
}

/** What is there once the node is. */
export interface BansNode {
  readonly node: Pick<Libp2pNode, 'addEventListener' | 'removeEventListener' | 'getConnections'>
  readonly emit: Emit
  /** Ends what we have with a peer. */
  readonly closeLink: (peerId: string, error: PeerError) => void
}

/** Bans, carried out: links and connections close, and stay closed. */
export class PeerBans implements Bans, Refusals {
  readonly #init: PeerBansInit
  readonly #addresses = new LruMap<string, string>(maxAddresses)
  #attached: BansNode | undefined
  /** Called when what is to be kept has changed. */
  onChange: () => void = () => {}

  constructor(init: PeerBansInit) {
    this.#init = init
  }

  /** Returns what ends it. */
  attach(attached: BansNode): () => void {
    this.#attached = attached
    const { node } = attached
    const onOpen = ({ detail: { remotePeer, remoteAddr } }: { detail: Libp2pConnection }): void => {
      this.#addresses.set(remotePeer.toString(), hostOf(remoteAddr))
    }
    node.addEventListener('connection:open', onOpen)
    return () => {
      node.removeEventListener('connection:open', onOpen)
      this.#attached = undefined
    }
  }

  convict(peerId: string, reason: BanReason): { reverse(): void } {
    const { list, clock, metrics, ranges } = this.#init
    const address = this.#addresses.get(peerId)
    const prefix = address === undefined ? undefined : ranges.prefixOf(address)
    const now = clock.monotonicMs()
    const verdict = list.convict(peerId, reason, prefix, now)
    if (verdict.isNew) {
      metrics.add('damselfly_bans_total', 1, { reason })
      this.#attached?.emit('peer:banned', { peerId, reason, untilMs: clock.wallMs() + verdict.untilMs - now })
      this.onChange()
    }
    this.#disconnect(peerId)
    return {
      reverse: () => {
        if (verdict.reverse(clock.monotonicMs())) metrics.add('damselfly_bans_reversed_total', 1, { reason })
        this.onChange()
      },
    }
  }

  suspect(peerId: string, reason: BanReason): void {
    if (this.#init.list.suspect(peerId, this.#init.clock.monotonicMs())) this.convict(peerId, reason)
  }

  vouch(peerId: string): void {
    this.#init.list.vouch(peerId, this.#init.clock.monotonicMs())
  }

  isBanned(peerId: string): boolean {
    return this.#init.list.isBanned(peerId, this.#init.clock.monotonicMs())
  }

  isCooling(address: string): boolean {
    const prefix = this.#init.ranges.prefixOf(address)
    return prefix !== undefined && this.#init.list.isCooling(prefix, this.#init.clock.monotonicMs())
  }

  #disconnect(peerId: string): void {
    if (!this.#attached) return
    const { node, closeLink } = this.#attached
    const banned = new PeerError('ERR_PEER_REFUSED', 'the peer is banned')
    closeLink(peerId, banned)
    for (const connection of node.getConnections()) {
      if (connection.remotePeer.toString() === peerId) connection.abort(banned)
    }
  }
}
