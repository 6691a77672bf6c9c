import { namesIn, PlanDraft, type CheckedSetup, type ContainerEngine, type EngineFiles, type EnginePlan } from './engine-files.ts'
import { findBlock } from './marked-block.ts'
import { mergeRegistriesConf, removeRegistriesConf } from './registries-conf.ts'

const mainPath = '/etc/containers/registries.conf'
const folder = '/etc/containers/registries.conf.d'
const path = `${folder}/50-damselfly.conf`

/** One drop-in, which podman, buildah, skopeo and CRI-O read alike. */
export function planRegistriesConf(engine: ContainerEngine, files: EngineFiles, { mirrorUrl, upstreams }: CheckedSetup): EnginePlan {
  const draft = new PlanDraft(files)
  const dropIns = namesIn(files, folder).filter((name) => name.endsWith('.conf')).map((name) => `${folder}/${name}`)
  const others = [mainPath, ...dropIns].filter((other) => other !== path).flatMap((other) => {
    const text = files.get(other)
    return text === undefined ? [] : [{ path: other, text }]
  })
  const wanted = upstreams.length > 0 ? upstreams : [{ registry: 'docker.io' }]
  const { text, carriedFrom } = mergeRegistriesConf(files.get(path), { path, mirrorUrl, upstreams: wanted, others })
  for (const from of carriedFrom) {
    draft.notes.push(`what ${from} says of the same registries was carried over, for ${path} replaces it: run this again when you change it there`)
  }
  draft.write(path, text, files.get(path) !== '')
  if (draft.changes.length > 0 && engine === 'crio') draft.notes.push('reload CRI-O: systemctl reload crio')
  return draft
}

/** Takes the drop-in away. */
export function undoRegistriesConf(files: EngineFiles): EnginePlan {
  const draft = new PlanDraft(files)
  const text = files.get(path)
  if (text === undefined) return draft
  draft.attempt(() => {
    if (!findBlock(text, path)) return
    const rest = removeRegistriesConf(text, path)
    draft.restore(path, rest)
    if (rest !== undefined) draft.notes.push(`${path} is left, for it has lines that damselfly did not write`)
  })
  return draft
}
