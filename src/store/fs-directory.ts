import { lstat, mkdir, readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { systemClock, type Clock } from '../core/clock.ts'
import { StoreError } from '../core/errors.ts'
import { silentLogger, type Logger } from '../core/log.ts'
import { unlessAbsent, whileDoing } from './fs-error.ts'
import { makeDirectory, replaceFile } from './fs-io.ts'

/**
 * Settings of {@link fsBackend} and {@link fsScratch}.
 * @public
 */
export interface FsStoreOptions {
  /** @defaultValue the machine's */
  clock?: Clock | undefined
  /** Hears of files that are not ours, and of damaged ones. @defaultValue says nothing */
  logger?: Logger | undefined
}

const formatVersion = 1

/** A directory that is ours alone, made and checked before its first use. */
export class StoreDirectory {
  readonly path: string
  readonly clock: Clock
  readonly logger: Logger
  readonly #prepare: () => Promise<void>
  #ready: Promise<void> | undefined

  /** @param prepare - what its owner does first, once the directory is known to be safe */
  constructor(path: string, options: FsStoreOptions, prepare: () => Promise<void>) {
    // Without a slash at its end, or lstat would follow a link.
    this.path = resolve(path)
    this.clock = options.clock ?? systemClock
    this.logger = options.logger ?? silentLogger
    this.#prepare = prepare
  }

  /** Whether it was ever needed. */
  get used(): boolean {
    return this.#ready !== undefined
  }

  /** @throws {@link StoreError} `ERR_STORE_CORRUPT` when others could change what is in it */
  ready(): Promise<void> {
    this.#ready ??= this.#open().catch((error: unknown) => {
      this.#ready = undefined
      throw error
    })
    return this.#ready
  }

  /** The path of a directory inside it, which is made if need be. */
  make(...names: readonly string[]): Promise<string> {
    return makeDirectory(this.path, ...names)
  }

  join(...names: readonly string[]): string {
    return join(this.path, ...names)
  }

  async #open(): Promise<void> {
    await whileDoing(`opening the store in ${this.path}`, async () => {
      if (!(await unlessAbsent(lstat(this.path))))
        await mkdir(this.path, { recursive: true, mode: 0o700 })
      await checkSafe(this.path)
      await checkFormat(join(this.path, 'format.json'))
      await this.#prepare()
    })
  }
}

async function checkSafe(path: string): Promise<void> {
  const found = await lstat(path)
  const user = process.getuid?.()
  if (found.isSymbolicLink())
    throw unsafe(path, 'it is a symbolic link: name the directory that it points to')
  if (!found.isDirectory()) throw unsafe(path, 'it is not a directory: choose another path')
  if (user !== undefined && found.uid !== user) {
    throw unsafe(
      path,
      `it belongs to user ${found.uid} and this is user ${user}: chown it, or choose another directory`,
    )
  }
  if ((found.mode & 0o022) !== 0)
    throw unsafe(path, `others may write to it: run chmod 700 ${path}`)
}

function unsafe(path: string, reason: string): StoreError {
  return new StoreError('ERR_STORE_CORRUPT', `unsafe directory ${path}: ${reason}`)
}

async function checkFormat(path: string): Promise<void> {
  const text = await unlessAbsent(readFile(path, 'utf8'))
  if (text === undefined) {
    await replaceFile(path, Buffer.from(`${JSON.stringify({ version: formatVersion })}\n`))
    return
  }
  const version = /^\{"version":(\d{1,9})\}\s*$/.exec(text)?.[1]
  if (version !== undefined && Number(version) <= formatVersion) return
  const reason =
    version === undefined
      ? 'is not what this library writes: remove it if nothing else uses the directory'
      : `says version ${version}, and this is version ${formatVersion}: upgrade, or choose another directory`
  throw new StoreError('ERR_STORE_CORRUPT', `${path} ${reason}`)
}
