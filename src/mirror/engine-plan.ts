import { RequestError } from '../core/errors.ts'
import { parseRegistry } from '../core/reference.ts'
import { planContainerd, undoContainerd } from './containerd-plan.ts'
import { planDocker, undoDocker } from './docker-plan.ts'
import type { CheckedSetup, ContainerEngine, EngineFiles, EnginePlan } from './engine-files.ts'
import { planRegistriesConf, undoRegistriesConf } from './registries-plan.ts'

/**
 * How a mirror is put before an engine.
 * @public
 */
export interface EngineSetup {
  /** Where it answers the engine: `http://127.0.0.1:5001`, or without the scheme. @defaultValue `'http://127.0.0.1:5001'` */
  mirrorUrl?: string | undefined
  /**
   * The registries that it stands in for, by name, and where each answers if not at its name.
   * @defaultValue all for containerd, `docker.io` for the others
   */
  upstreams?: readonly { readonly registry: string; readonly url?: string | undefined }[] | undefined
  /** Lets `config_path` of containerd be set too, where it is not. @defaultValue `false` */
  writeConfig?: boolean | undefined
}

const folders: Readonly<Record<ContainerEngine, readonly string[]>> = {
  containerd: ['/etc/containerd', '/etc/containerd/certs.d/*'],
  docker: ['/etc/docker'],
  podman: ['/etc/containers', '/etc/containers/registries.conf.d'],
  crio: ['/etc/containers', '/etc/containers/registries.conf.d'],
}

/**
 * The folders whose files a plan wants to know; `*` stands for each folder at its place. Texts matter of `hosts.toml`, `config.toml`, `daemon.json`,
 * `registries.conf` and its drop-ins, and of what stands beside them with `.damselfly` or `.before-damselfly` after its name; of the rest, names alone.
 * @public
 */
export function engineFolders(engine: ContainerEngine): readonly string[] {
  return folders[engine]
}

/**
 * What to write so that an engine pulls through a mirror. It is merged with what is there and marked; a second time nothing changes.
 *
 * @param files - of {@link engineFolders}
 * @throws {@link RequestError} `ERR_REQUEST_OPTION` that says what of the setup cannot be, where a file is malformed, or why it cannot be merged
 * @public
 */
export function planEngineSetup(engine: ContainerEngine, files: EngineFiles, setup: EngineSetup = {}): EnginePlan {
  const { changes, notes } = setupPlan(engine, files, checkSetup(setup))
  return { changes, notes }
}

function setupPlan(engine: ContainerEngine, files: EngineFiles, checked: CheckedSetup): EnginePlan {
  switch (engine) {
    case 'containerd':
      return planContainerd(files, checked)
    case 'docker':
      return planDocker(files, checked)
    case 'podman':
    case 'crio':
      return planRegistriesConf(engine, files, checked)
  }
}

/**
 * What to write so that an engine is as it was before {@link planEngineSetup}: to the byte where nobody else changed its files. Otherwise what is ours
 * goes, and the notes say what is left.
 *
 * @param files - of {@link engineFolders}
 * @public
 */
export function planEngineUndo(engine: ContainerEngine, files: EngineFiles): EnginePlan {
  const { changes, notes } = undoPlan(engine, files)
  return { changes, notes }
}

function undoPlan(engine: ContainerEngine, files: EngineFiles): EnginePlan {
  switch (engine) {
    case 'containerd':
      return undoContainerd(files)
    case 'docker':
      return undoDocker(files)
    case 'podman':
    case 'crio':
      return undoRegistriesConf(files)
  }
}

function checkSetup({ mirrorUrl = 'http://127.0.0.1:5001', upstreams = [], writeConfig = false }: EngineSetup): CheckedSetup {
  const url = URL.parse(/^https?:\/\//.test(mirrorUrl) ? mirrorUrl : `http://${mirrorUrl}`)
  if (!url || url.username || url.password || url.pathname !== '/' || url.search || url.hash || url.host === '') {
    throw new RequestError('ERR_REQUEST_OPTION', 'the mirror is not at an address like http://127.0.0.1:5001, with nothing behind the port')
  }
  const seen = new Set<string>()
  const checked = upstreams.map(({ registry: name, url: at }) => {
    const registry = parseRegistry(name)
    if (registry === undefined) throw new RequestError('ERR_REQUEST_OPTION', `${JSON.stringify(name)} is not the name of a registry: a host with an optional port`)
    if (seen.has(registry)) throw new RequestError('ERR_REQUEST_OPTION', `${registry} is named twice`)
    seen.add(registry)
    const parsed = at === undefined ? undefined : URL.parse(at)
    if (at !== undefined && (!parsed || !/^https?:$/.test(parsed.protocol) || parsed.username || parsed.password || parsed.search || parsed.hash)) {
      throw new RequestError('ERR_REQUEST_OPTION', `the address of ${registry} is not of the form https://host, with nothing but a port and a path besides`)
    }
    return { registry, url: at?.replace(/\/+$/, '') }
  })
  return { mirrorUrl: url.origin, upstreams: checked, writeConfig }
}
