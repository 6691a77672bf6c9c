import { planEngineSetup, type ContainerEngine, type EngineSetup } from '../../../src/index.ts'

/** The text of a file as `damselfly configure` leaves it on a machine that has nothing but `files`. */
export function configuredFile(engine: ContainerEngine, path: string, setup: EngineSetup, files: ReadonlyMap<string, string> = new Map()): string {
  const text = planEngineSetup(engine, files, setup).changes.find((change) => change.path === path)?.after
  if (text === undefined) throw new RangeError(`configure ${engine} does not write ${path}`)
  return text
}
