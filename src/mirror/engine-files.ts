import { RequestError } from '../core/errors.ts'

/**
 * A container engine whose files can be configured. Buildah and skopeo read podman's; CRI-O does so too.
 * @public
 */
export type ContainerEngine = 'containerd' | 'docker' | 'podman' | 'crio'

/**
 * Files of a machine: text by absolute path, `''` for those whose text does not matter.
 * @public
 */
export type EngineFiles = ReadonlyMap<string, string>

/**
 * How a file is to change.
 * @public
 */
export interface FileChange {
  /** Absolute. */
  readonly path: string
  /** `undefined` when it is made. */
  readonly before: string | undefined
  /** `undefined` when it goes. */
  readonly after: string | undefined
}

/**
 * What is to be written, and what else its user should know.
 * @public
 */
export interface EnginePlan {
  /** In the order in which to make them: a backup before what it is of. */
  readonly changes: readonly FileChange[]
  /** Sentences for people. */
  readonly notes: readonly string[]
}

/** A setup that was checked. */
export interface CheckedSetup {
  /** Without a slash at the end. */
  readonly mirrorUrl: string
  readonly upstreams: readonly { readonly registry: string; readonly url?: string | undefined }[]
  readonly writeConfig: boolean
}

/** What a backup is called after the file that it is of. */
const backupSuffix = '.before-damselfly'

/** Changes of a plan in the making. */
export class PlanDraft implements EnginePlan {
  readonly changes: FileChange[] = []
  readonly notes: string[] = []
  readonly #files: EngineFiles

  constructor(files: EngineFiles) {
    this.#files = files
  }

  /** Writes a file. One that its user wrote, and that has nothing of ours yet, is kept as a backup. */
  write(path: string, after: string, isOurs: boolean): void {
    const before = this.#files.get(path)
    if (before === after) return
    if (before !== undefined && !isOurs) this.#change(path + backupSuffix, before)
    this.#change(path, after)
  }

  /** Takes back what was written; `undefined` when the file was made by us alone. A backup goes with it, unless it holds something else. */
  restore(path: string, after: string | undefined): void {
    this.#change(path, after)
    const backup = this.backupOf(path)
    if (backup === undefined) return
    if (backup === after) this.#change(path + backupSuffix, undefined)
    else this.notes.push(`${path} was changed by others since: only what is ours was taken out; ${path}${backupSuffix}, how it was before, is left`)
  }

  remove(path: string): void {
    this.#change(path, undefined)
  }

  backupOf(path: string): string | undefined {
    return this.#files.get(path + backupSuffix)
  }

  /** Goes on with the next file where one cannot be undone. */
  attempt(undo: () => void): void {
    try {
      undo()
    } catch (error) {
      if (!(error instanceof RequestError)) throw error
      this.notes.push(`left as it is: ${error.message}`)
    }
  }

  #change(path: string, after: string | undefined): void {
    const before = this.#files.get(path)
    if (before !== after) this.changes.push({ path, before, after })
  }
}

/** Names of the files in a folder. */
export function namesIn(files: EngineFiles, folder: string): string[] {
  const inside = [...files.keys()].filter((path) => path.startsWith(`${folder}/`)).map((path) => path.slice(folder.length + 1))
  return inside.filter((name) => !name.includes('/')).toSorted()
}
