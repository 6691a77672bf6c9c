import { certsFolder, checkContainerdConfig, mergeContainerdConfig } from './containerd-config.ts'
import { mergeContainerdHosts } from './containerd-hosts.ts'
import { namesIn, PlanDraft, type CheckedSetup, type EngineFiles, type EnginePlan } from './engine-files.ts'
import { findBlock, withoutBlock } from './marked-block.ts'

const configPath = '/etc/containerd/config.toml'

/** One `hosts.toml` for each registry, or one for all of them. */
export function planContainerd(files: EngineFiles, { mirrorUrl, upstreams, writeConfig }: CheckedSetup): EnginePlan {
  const draft = new PlanDraft(files)
  const wanted = upstreams.length > 0 ? upstreams : [{ registry: '_default', url: undefined }]
  for (const { registry, url } of wanted) {
    const folder = folderOf(files, registry)
    const path = `${folder}/hosts.toml`
    const text = files.get(path)
    const neighbours = namesIn(files, folder).filter((name) => !name.startsWith('hosts.toml'))
    const after = mergeContainerdHosts(text, { path, mirrorUrl, serverUrl: url, neighbours })
    const hadOurs = text !== undefined && findBlock(text, path) !== undefined
    if (findBlock(after, path)) draft.write(path, after, hadOurs)
    else {
      draft.notes.push(`${path} names ${mirrorUrl} by its user's own hand: it is left as it is`)
      if (hadOurs) draft.restore(path, after)
    }
    if (text === undefined && registry !== '_default' && files.has(`${certsFolder}/_default/hosts.toml`)) {
      draft.notes.push(`${registry} has a hosts.toml of its own now, so ${certsFolder}/_default/hosts.toml counts no more for it`)
    }
  }
  noteConfig(draft, files.get(configPath), writeConfig)
  return draft
}

/** Takes the mirror out of every file that has it. */
export function undoContainerd(files: EngineFiles): EnginePlan {
  const draft = new PlanDraft(files)
  for (const [path, text] of files) {
    if (!path.startsWith(`${certsFolder}/`) || !path.endsWith('/hosts.toml')) continue
    draft.attempt(() => {
      if (findBlock(text, path)) draft.restore(path, withoutBlock(text, path))
    })
  }
  const config = files.get(configPath)
  if (config !== undefined) {
    draft.attempt(() => {
      if (!findBlock(config, configPath)) return
      draft.restore(configPath, withoutBlock(config, configPath))
      draft.notes.push('restart containerd: its config.toml was changed')
    })
  }
  return draft
}

function noteConfig(draft: PlanDraft, text: string | undefined, writeConfig: boolean): void {
  const verdict = checkContainerdConfig(text, configPath)
  switch (verdict.kind) {
    case 'set':
      return
    case 'elsewhere':
      draft.notes.push(`config_path in ${configPath} is ${verdict.configPath}: containerd does not look into ${certsFolder} until you add it there and restart containerd`)
      return
    case 'legacy':
      draft.notes.push(
        `${configPath} has registry.mirrors or registry.configs, which exclude config_path: turn them into files below ${certsFolder}, set config_path = "${certsFolder}", and restart containerd`,
      )
      return
    case 'unset': {
      const after = writeConfig ? mergeContainerdConfig(text, configPath) : undefined
      if (after === undefined) {
        const help = writeConfig ? 'it is written in a way that this cannot be done for you' : '--write-config does the first for you'
        draft.notes.push(
          `${configPath} does not tell the image service of Kubernetes where to look: below ${verdict.header} set config_path = "${certsFolder}", and restart containerd (${help})`,
        )
        return
      }
      draft.write(configPath, after, false)
      draft.notes.push('restart containerd: its config.toml was changed')
    }
  }
}

/** Of the two names of a registry with a port, containerd looks for the one without a colon first. */
function folderOf(files: EngineFiles, registry: string): string {
  const plain = `${certsFolder}/${registry.replace(/:(\d+)$/, '_$1_')}`
  return namesIn(files, plain).length > 0 ? plain : `${certsFolder}/${registry}`
}
