import fc from 'fast-check'
import { checkContainerdConfig, mergeContainerdConfig, type ConfigPathVerdict } from '../../src/mirror/containerd-config.ts'
import { mergeContainerdHosts } from '../../src/mirror/containerd-hosts.ts'
import { mergeDockerDaemon } from '../../src/mirror/docker-daemon.ts'
import type { ContainerEngine } from '../../src/mirror/engine-files.ts'
import { planEngineSetup, planEngineUndo } from '../../src/mirror/engine-plan.ts'
import { mergeRegistriesConf } from '../../src/mirror/registries-conf.ts'
import { parseToml, type TomlTable } from '../../src/mirror/toml-text.ts'
import { withoutBlock } from '../../src/mirror/marked-block.ts'
import { bytesOfText, codes, decoder, textOf, type Decoder } from './decoder.ts'

const mirrorUrl = 'http://127.0.0.1:5001'
const path = 'file'
const hostsInit = { path, mirrorUrl, neighbours: [] }
const marks = ['# >>> damselfly part 0123456789ab x\n', '# <<< damselfly\n', '#- ']
const toml = ['[', ']', '[[', '"', '"""', "'''", '#', '=', '\n', '\r\n', '{', '}', ',', '\\', 'host', ...marks]
const refuses = codes('ERR_REQUEST_OPTION')
/** Our lines, and a key or two. */
const maxUnits = (inputBytes: number): number => 2 * inputBytes + 1024

const hosts = fc.constantFrom(
  'server = "https://a.example"\n[host."https://b.example"]\n  capabilities = ["pull"]\n',
  "a = '''\n[no]\n'''\nb = [\n  [1],\n]\n# c\n[host.'x']",
  mergeContainerdHosts('x = 1', hostsInit),
)
const config = fc.constantFrom(
  'version = 2\n[plugins."io.containerd.grpc.v1.cri".registry]\n  config_path = ""\n',
  'version = 3\nroot = "/x"',
  '[plugins.cri.registry.mirrors."a"]\nendpoint = ["b"]\n',
)
const daemon = fc.constantFrom('{}', '{"debug": true}\n', '{\n  "registry-mirrors": ["https://a.example", "b"],\n  "x": [{}, "}"]\n}\n')
const registries = fc.constantFrom(
  'unqualified-search-registries = ["a"]\n[[registry]]\nprefix = "docker.io"\nlocation = "b"\nblocked = true\n[[registry.mirror]]\nlocation = "c"\n',
  '[[registry]]\nlocation = "docker.io"\n',
)

/** What is read is merged; what cannot be merged is refused as what cannot be read is. */
function unlessRefused<Value>(merge: () => Value): Value | undefined {
  try {
    return merge()
  } catch (error) {
    if (refuses(error)) return undefined
    throw error
  }
}

/** Whether what a plan makes of one file can be taken back. */
function isUndone(engine: ContainerEngine, file: string, text: string): boolean {
  const files = new Map([[file, text]])
  const after = new Map(files)
  for (const change of planEngineSetup(engine, files).changes) after.set(change.path, change.after ?? '')
  const undone = new Map(after)
  for (const change of planEngineUndo(engine, after).changes) {
    if (change.after === undefined) undone.delete(change.path)
    else undone.set(change.path, change.after)
  }
  return undone.size === 1 && undone.get(file) === text
}

/** Files of container engines, which their users wrote. */
export const engineFileDecoders: readonly Decoder[] = [
  decoder<TomlTable>({
    name: 'containerd-hosts',
    covers: ['mirror/toml-text.ts#parseToml', 'mirror/containerd-hosts.ts#mergeContainerdHosts'],
    kind: 'text',
    read: (bytes) => parseToml(textOf(bytes), path),
    refuses,
    samples: hosts.map(bytesOfText),
    words: toml,
    maxUnits,
    holds: (_, bytes) => {
      const text = textOf(bytes)
      const merged = unlessRefused(() => mergeContainerdHosts(text, hostsInit))
      if (merged === undefined) return true
      return mergeContainerdHosts(merged, hostsInit) === merged && (text.includes('damselfly') || withoutBlock(merged, path) === text)
    },
  }),
  decoder<ConfigPathVerdict>({
    name: 'containerd-config',
    covers: ['mirror/containerd-config.ts#checkContainerdConfig', 'mirror/containerd-config.ts#mergeContainerdConfig'],
    kind: 'text',
    read: (bytes) => checkContainerdConfig(textOf(bytes), path),
    refuses,
    samples: config.map(bytesOfText),
    words: [...toml, 'config_path', '""', 'version', 'plugins', 'registry'],
    maxUnits,
    holds: (_, bytes) => {
      const text = textOf(bytes)
      const merged = unlessRefused(() => mergeContainerdConfig(text, path))
      if (merged === undefined || merged === text) return true
      return checkContainerdConfig(merged, path).kind === 'set' && (text.includes('damselfly') || withoutBlock(merged, path) === text)
    },
  }),
  decoder<string>({
    name: 'docker-daemon',
    covers: ['mirror/docker-daemon.ts#mergeDockerDaemon', 'mirror/docker-plan.ts#planDocker', 'mirror/engine-plan.ts#planEngineSetup'],
    kind: 'json',
    read: (bytes) => mergeDockerDaemon(textOf(bytes), path, mirrorUrl),
    refuses,
    samples: daemon.map(bytesOfText),
    words: ['"registry-mirrors"', `"${mirrorUrl}"`, '[', ']', '{', '}', ',', ':', '"', '\\', '\n', 'null', '1e3'],
    maxUnits,
    holds: (_, bytes) => isUndone('docker', '/etc/docker/daemon.json', textOf(bytes)),
  }),
  decoder<{ readonly text: string }>({
    name: 'registries-conf',
    covers: ['mirror/registries-conf.ts#mergeRegistriesConf'],
    kind: 'text',
    read: (bytes) => mergeRegistriesConf(undefined, { path, mirrorUrl, upstreams: [{ registry: 'docker.io' }], others: [{ path: 'earlier', text: textOf(bytes) }] }),
    refuses,
    samples: registries.map(bytesOfText),
    words: [...toml, '[[registry]]', 'prefix', 'location', 'docker.io', 'registries'],
    maxUnits: (inputBytes) => 8 * inputBytes + 1024,
    holds: (_, bytes) => isUndone('podman', '/etc/containers/registries.conf', textOf(bytes)),
  }),
]
