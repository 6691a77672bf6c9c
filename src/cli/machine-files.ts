import { lstat, mkdir, open, readdir, readFile, realpath, rename, rm, rmdir } from 'node:fs/promises'
import { basename, dirname, join, relative } from 'node:path'
import { RequestError, type FileChange } from '../index.ts'

/** Whose text matters, with backups and records beside them; of other files, such as keys, the name is all that is read. */
const textFiles = /\/(?:hosts\.toml|config\.toml|daemon\.json|registries\.conf|registries\.conf\.d\/[^/]+\.conf)(?:\.damselfly|\.before-damselfly)?$/
/** An engine's files are small; what is larger is something else. */
const maxFileBytes = 4 * 1024 * 1024

/** The files of this machine, or of a folder that stands for one. */
export class MachineFiles {
  readonly #root: string

  constructor(root: string) {
    this.#root = root
  }

  /** Reads folders; `*` at the end of one stands for each folder in it. What is not there is none. */
  async read(folders: readonly string[]): Promise<Map<string, string>> {
    const files = new Map<string, string>()
    for (const pattern of folders) {
      const folder = pattern.replace(/\/\*$/, '')
      const names = folder === pattern ? [folder] : (await this.#entries(folder)).map(({ name }) => `${folder}/${name}`)
      for (const name of names) await this.#readFolder(name, files)
    }
    return files
  }

  /** Makes changes, in their order; each file is there as it was or as it is to be. */
  async write(changes: readonly FileChange[]): Promise<void> {
    for (const { path } of changes) await this.#checkInside(this.#real(path))
    for (const change of changes) {
      const path = this.#real(change.path)
      try {
        if (change.after === undefined) await remove(path)
        else await this.#replace(path, change.after)
      } catch (cause) {
        if (cause instanceof RequestError) throw cause
        throw cannot('written', path, cause)
      }
    }
  }

  #real(path: string): string {
    return join(this.#root, path)
  }

  async #readFolder(folder: string, files: Map<string, string>): Promise<void> {
    for (const entry of await this.#entries(folder)) {
      const path = `${folder}/${entry.name}`
      if (entry.isDirectory()) continue
      files.set(path, textFiles.test(path) ? await this.#text(path) : '')
    }
  }

  async #entries(folder: string): Promise<{ readonly name: string; isDirectory(): boolean }[]> {
    try {
      return await readdir(this.#real(folder), { withFileTypes: true })
    } catch (cause) {
      if (hasCode(cause, 'ENOENT') || hasCode(cause, 'ENOTDIR')) return []
      throw cannot('read', this.#real(folder), cause)
    }
  }

  async #text(path: string): Promise<string> {
    const bytes = await readFile(this.#real(path)).catch((cause: unknown) => {
      throw cannot('read', this.#real(path), cause)
    })
    if (bytes.byteLength > maxFileBytes) throw new RequestError('ERR_REQUEST_OPTION', `${path} is larger than 4 MiB: that is no configuration`)
    const text = bytes.toString('utf8')
    if (!Buffer.from(text).equals(bytes)) throw new RequestError('ERR_REQUEST_OPTION', `${path} is not text in UTF-8; nothing was written`)
    return text
  }

  async #replace(path: string, text: string): Promise<void> {
    await mkdir(dirname(path), { recursive: true })
    const target = await this.#target(path)
    const before = await lstat(target).catch((error: unknown) => {
      if (!hasCode(error, 'ENOENT')) throw error
    })
    const fresh = `${target}.damselfly-new`
    try {
      const file = await open(fresh, 'w', before ? before.mode & 0o777 : 0o644)
      try {
        await file.writeFile(text)
        if (before) {
          await file.chmod(before.mode & 0o777)
          await file.chown(before.uid, before.gid)
        }
        await file.sync()
      } finally {
        await file.close()
      }
      await rename(fresh, target)
    } catch (error) {
      await rm(fresh, { force: true })
      throw error
    }
  }

  /** Links are followed. */
  async #target(path: string): Promise<string> {
    return (await realOf(path)) ?? join(await realpath(dirname(path)), basename(path))
  }

  /** A link may not lead out of the folder that stands for a machine. */
  async #checkInside(path: string): Promise<void> {
    const real = await realOf(path)
    if (real === undefined) return this.#checkInside(dirname(path))
    if (!relative(await realpath(this.#root), real).startsWith('..')) return
    throw new RequestError('ERR_REQUEST_OPTION', `${path} is a link that leads out of ${this.#root}: configure what it leads to`)
  }
}

/** Where a path leads; `undefined` where nothing is. */
async function realOf(path: string): Promise<string | undefined> {
  return realpath(path).catch((error: unknown) => {
    if (!hasCode(error, 'ENOENT')) throw cannot('found', path, error)
    return undefined
  })
}

async function remove(path: string): Promise<void> {
  await rm(path, { force: true })
  // A folder of a registry counts for containerd even without a file in it.
  if (!/\/certs\.d\/[^/]+\/[^/]+$/.test(path)) return
  await rmdir(dirname(path)).catch((error: unknown) => {
    if (!hasCode(error, 'ENOTEMPTY') && !hasCode(error, 'EEXIST')) throw error
  })
}

function cannot(what: string, path: string, cause: unknown): RequestError {
  const denied = hasCode(cause, 'EACCES') || hasCode(cause, 'EPERM') || hasCode(cause, 'EROFS')
  const reason = denied ? 'run this as root, or give --root' : cause instanceof Error ? cause.message : String(cause)
  return new RequestError('ERR_REQUEST_OPTION', `${path} cannot be ${what}: ${reason}`, { cause })
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}
