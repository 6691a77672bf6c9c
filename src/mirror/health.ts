import type { Swarm } from '../swarm/swarm.ts'
import { jsonAnswer, type MirrorAnswer, type MirrorRequest } from './mirror-answer.ts'

/** What a probe is told of. */
export interface HealthInit {
  readonly swarm: Swarm
  /** Whether the mirror still takes requests. */
  readonly isOpen: () => boolean
}

/** Name of the note that is written to see whether the store can be. */
const probeNote = 'readyz'

/**
 * Answers probes: `/livez` as soon as the event loop gets to it, `/readyz` with 200 only while images can be pulled.
 *
 * @returns `undefined` for every other path
 */
export async function healthAnswer({ method, target }: MirrorRequest, init: HealthInit): Promise<MirrorAnswer | undefined> {
  if (method !== 'GET' && method !== 'HEAD') return undefined
  switch (target.split('?', 1)[0]) {
    case '/livez':
      return factsAnswer(200, { live: true })
    case '/readyz': {
      const parts = { mirror: init.isOpen(), swarm: init.swarm.isOpen, store: await canWrite(init.swarm) }
      const ready = parts.mirror && parts.swarm && parts.store
      return factsAnswer(ready ? 200 : 503, { ready, ...parts })
    }
    default:
      return undefined
  }
}

async function canWrite({ store }: Swarm): Promise<boolean> {
  try {
    await store.writeNote(probeNote, new Uint8Array())
    return true
  } catch {
    return false
  }
}

function factsAnswer(status: number, facts: Readonly<Record<string, boolean>>): MirrorAnswer {
  return jsonAnswer(status, `${JSON.stringify(facts)}\n`, { 'cache-control': 'no-store' })
}
