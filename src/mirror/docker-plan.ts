import { RequestError } from '../core/errors.ts'
import { mergeDockerDaemon, removeDockerMirror } from './docker-daemon.ts'
import { PlanDraft, type CheckedSetup, type EngineFiles, type EnginePlan } from './engine-files.ts'

const path = '/etc/docker/daemon.json'
/** JSON has no comments to mark what is ours, and dockerd refuses keys that it does not know. */
const recordPath = '/etc/docker/daemon.json.damselfly'

interface DockerRecord {
  readonly mirrorUrl: string
  /** Whether there were `registry-mirrors` before. */
  readonly hadKey: boolean
  /** Whether the file was made by us. */
  readonly isMade: boolean
}

/** Docker has mirrors for Docker Hub alone. */
export function planDocker(files: EngineFiles, { mirrorUrl, upstreams }: CheckedSetup): EnginePlan {
  const draft = new PlanDraft(files)
  const others = upstreams.map(({ registry }) => registry).filter((registry) => registry !== 'docker.io')
  if (upstreams.length > 0 && others.length === upstreams.length) {
    throw new RequestError('ERR_REQUEST_OPTION', `Docker asks mirrors for images of Docker Hub only, and never for those of ${others.join(', ')}`)
  }
  const record = readRecord(files)
  const text = files.get(path)
  if (record?.mirrorUrl === mirrorUrl && text !== undefined && mergeDockerDaemon(text, path, mirrorUrl) === text) return draft
  const users = record ? undone(text, record, draft) : text
  const after = mergeDockerDaemon(users, path, mirrorUrl)
  if (after === users) {
    draft.notes.push(`${path} names ${mirrorUrl} by its user's own hand: it is left as it is`)
    if (record) {
      draft.restore(path, users)
      draft.remove(recordPath)
    }
  } else {
    const isMade = users === undefined
    const made: DockerRecord = { mirrorUrl, hadKey: !isMade && /"registry-mirrors"\s*:/.test(users), isMade }
    draft.write(recordPath, `${JSON.stringify(made)}\n`, true)
    draft.write(path, after, record !== undefined)
  }
  draft.notes.push('Docker asks mirrors for images of Docker Hub only; docker.io has to be among the upstreams of the mirror')
  draft.notes.push('reload Docker: systemctl reload docker')
  return draft
}

/** Takes out what the record says is ours. */
export function undoDocker(files: EngineFiles): EnginePlan {
  const draft = new PlanDraft(files)
  draft.attempt(() => {
    const record = readRecord(files)
    if (!record) return
    const text = files.get(path)
    if (text !== undefined) {
      draft.restore(path, undone(text, record, draft))
      draft.notes.push('reload Docker: systemctl reload docker')
    }
    if (text === undefined) draft.notes.push(`${path} was deleted by others since`)
    draft.remove(recordPath)
  })
  return draft
}

function undone(text: string | undefined, { mirrorUrl, hadKey, isMade }: DockerRecord, draft: PlanDraft): string | undefined {
  if (text === undefined) return undefined
  const before = isMade ? undefined : draft.backupOf(path)
  if ((isMade || before !== undefined) && mergeDockerDaemon(before, path, mirrorUrl) === text) return before
  const rest = removeDockerMirror(text, path, mirrorUrl, hadKey)
  return isMade && /^\s*\{\s*\}\s*$/.test(rest) ? undefined : rest
}

function readRecord(files: EngineFiles): DockerRecord | undefined {
  const text = files.get(recordPath)
  if (text === undefined) return undefined
  try {
    const { mirrorUrl, hadKey, isMade }: Record<string, unknown> = JSON.parse(text)
    if (typeof mirrorUrl === 'string' && typeof hadKey === 'boolean' && typeof isMade === 'boolean') return { mirrorUrl, hadKey, isMade }
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
  }
  throw new RequestError('ERR_REQUEST_OPTION', `${recordPath} was edited: take the mirror out of registry-mirrors in ${path} by hand, and delete ${recordPath}`)
}
