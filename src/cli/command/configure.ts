import { engineFolders, planEngineSetup, planEngineUndo, RequestError, type ContainerEngine, type FileChange } from '../../index.ts'
import type { ConfiguredFile } from '../cli-event.ts'
import type { CommandContext } from '../command-context.ts'
import { MachineFiles } from '../machine-files.ts'
import { unifiedDiff } from '../unified-diff.ts'

const engines: readonly ContainerEngine[] = ['containerd', 'docker', 'podman', 'crio']

/** Puts a mirror before a container engine, or takes it out again. Everything is decided before the first file is written. */
export async function configure({ settings, output }: CommandContext, name: string): Promise<void> {
  const engine = engines.find((each) => each === name)
  if (engine === undefined) throw badFlags(`${JSON.stringify(name)} is no engine that can be configured: write ${engines.join(', ')}`)
  const { root, dryRun, undo, writeConfig, mirror: mirrorUrl, upstreams } = settings
  if (writeConfig && engine !== 'containerd') throw badFlags('--write-config is for containerd: other engines read the files of configure as they are')
  const machine = new MachineFiles(root)
  const files = await machine.read(engineFolders(engine))
  const { changes, notes } = undo ? planEngineUndo(engine, files) : planEngineSetup(engine, files, { mirrorUrl, upstreams, writeConfig })
  if (!dryRun) await machine.write(changes)
  output.event({ event: 'configured', engine, dryRun, files: changes.map((change) => describe(change, dryRun)), notes })
}

function describe({ path, before, after }: FileChange, withDiff: boolean): ConfiguredFile {
  const change = before === undefined ? 'made' : after === undefined ? 'removed' : 'changed'
  // A backup is the whole of a file that its user knows.
  const isBackup = path.endsWith('.before-damselfly')
  return { path, change, ...(withDiff && !isBackup && { diff: unifiedDiff(path, before, after) }) }
}

function badFlags(message: string): RequestError {
  return new RequestError('ERR_REQUEST_OPTION', message)
}
