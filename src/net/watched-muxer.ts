import { yamux } from '@chainsafe/libp2p-yamux'
import type { Clock } from '../core/clock.ts'
import { PeerError } from '../core/errors.ts'
import type { Libp2pMessageStream, ReceivedBytes, StreamMuxerFactoryMaker } from './libp2p-types.ts'
import { partsOf } from './stream-facts.ts'
import { YamuxWatch } from './yamux-watch.ts'

/** What is told of a connection that was ended for what its peer did. */
export type OnOffence = (error: PeerError) => void

/** yamux, with a {@link YamuxWatch} before it. */
export function watchedYamux(settings: Parameters<typeof yamux>[0], clock: Clock, onOffence: OnOffence): StreamMuxerFactoryMaker {
  const make = yamux(settings)
  return () => {
    const factory = make()
    return {
      protocol: factory.protocol,
      createStreamMuxer(connection: Libp2pMessageStream) {
        const watch = new YamuxWatch()
        const onMessage = (event: Event & { data: ReceivedBytes }): void => {
          try {
            for (const part of partsOf(event.data)) watch.push(part, clock.monotonicMs(), !connection.writableNeedsDrain)
          } catch (error) {
            if (!(error instanceof PeerError)) throw error
            // The muxer must not see it: it would do first what is too much.
            event.stopImmediatePropagation()
            connection.removeEventListener('message', onMessage)
            onOffence(error)
            muxer.abort(error)
            connection.abort(error)
          }
        }
        // Comes before the muxer's own listener.
        connection.addEventListener('message', onMessage)
        const muxer = factory.createStreamMuxer(connection)
        return muxer
      },
    }
  }
}
