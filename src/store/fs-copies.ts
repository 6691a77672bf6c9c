import { randomUUID } from 'node:crypto'
import { constants } from 'node:fs'
import { chmod, copyFile, mkdir, open, rename, rm, stat } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { RequestError } from '../core/errors.ts'
import { errnoOf, whileDoing } from './fs-error.ts'
import { syncDirectory, writeNewFile } from './fs-io.ts'

const readBytes = 1024 * 1024

/**
 * Length of a file that a user names.
 * @throws {@link RequestError} `ERR_REQUEST_OPTION` when there is no such file
 */
export async function fileSize(path: string): Promise<number> {
  const found = await whileDoing(`reading ${path}`, () =>
    stat(path).catch((cause: unknown) => {
      if (errnoOf(cause) === 'ENOENT')
        throw new RequestError('ERR_REQUEST_OPTION', `there is no file ${path}`, { cause })
      throw cause
    }),
  )
  if (found.isFile()) return found.size
  throw new RequestError('ERR_REQUEST_OPTION', `${path} is not a regular file: name one`)
}

/** The bytes of a file in order; each chunk is the caller's. */
export async function* readFileChunks(path: string): AsyncGenerator<Uint8Array> {
  const doing = `reading ${path}`
  const file = await whileDoing(doing, () => open(path, 'r'))
  try {
    for (;;) {
      const bytes = Buffer.allocUnsafeSlow(readBytes)
      const { bytesRead } = await whileDoing(doing, () => file.read(bytes, 0, bytes.byteLength))
      if (bytesRead === 0) return
      yield bytes.subarray(0, bytesRead)
    }
  } finally {
    await whileDoing(doing, () => file.close())
  }
}

/**
 * Writes a copy to where a user wants it: whole or not at all. Blocks are shared where the file system can; never the
 * file itself, which an editor of the copy would change.
 *
 * @param from - a file, or the bytes
 */
export async function exportCopy(
  from: string | AsyncIterable<Uint8Array>,
  to: string,
): Promise<void> {
  const doing = `exporting to ${to}`
  const path = resolve(to)
  const temporary = join(dirname(path), `.${basename(path)}.${randomUUID()}.tmp`)
  await whileDoing(doing, () => mkdir(dirname(path), { recursive: true }))
  try {
    if (typeof from === 'string') await whileDoing(doing, () => copySynced(from, temporary))
    else await writeNewFile(temporary, from, doing)
    await whileDoing(doing, async () => {
      await chmod(temporary, 0o644)
      await rename(temporary, path)
      await syncDirectory(dirname(path))
    })
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
}

async function copySynced(from: string, to: string): Promise<void> {
  await copyFile(from, to, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE)
  const copy = await open(to, 'r')
  try {
    await copy.datasync()
  } finally {
    await copy.close()
  }
}
