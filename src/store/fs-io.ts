import { randomUUID } from 'node:crypto'
import { constants } from 'node:fs'
import { mkdir, open, rename, rm, type FileHandle } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { StoreError } from '../core/errors.ts'
import { whileDoing } from './fs-error.ts'

/** Writes that move nothing before the disk counts as broken. */
const maxIdleWrites = 8

/** Writes all chunks one after the other, from `position` on, without copying them together. */
export async function writeAll(
  file: FileHandle,
  chunks: readonly Uint8Array[],
  position: number,
): Promise<void> {
  let rest = chunks.filter((chunk) => chunk.byteLength > 0)
  let at = position
  let idleWrites = 0
  while (rest.length > 0) {
    const { bytesWritten } = await file.writev(rest, at)
    idleWrites = bytesWritten === 0 ? idleWrites + 1 : 0
    if (idleWrites === maxIdleWrites) {
      throw new StoreError('ERR_STORE_IO', `the disk took none of the bytes at ${at}: check it`)
    }
    at += bytesWritten
    rest = withoutFirst(rest, bytesWritten)
  }
}

function withoutFirst(chunks: readonly Uint8Array[], byteCount: number): Uint8Array[] {
  let skip = byteCount
  let index = 0
  for (let chunk = chunks[0]; chunk && chunk.byteLength <= skip; chunk = chunks[++index])
    skip -= chunk.byteLength
  const [partly, ...others] = chunks.slice(index)
  return partly ? [partly.subarray(skip), ...others] : []
}

/** Fills `target` from `position` on; returns how many bytes there were until the end of the file. */
export async function readFully(
  file: FileHandle,
  target: Uint8Array,
  position: number,
): Promise<number> {
  let filled = 0
  while (filled < target.byteLength) {
    const { bytesRead } = await file.read(
      target,
      filled,
      target.byteLength - filled,
      position + filled,
    )
    if (bytesRead === 0) break
    filled += bytesRead
  }
  return filled
}

/** Makes entries that were added to or renamed into a directory survive a power cut. */
export async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r')
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}

/** Makes a directory, and those between it and `root`, for us alone and to stay. */
export async function makeDirectory(root: string, ...names: readonly string[]): Promise<string> {
  let path = root
  for (const name of names) {
    const parent = path
    path = join(parent, name)
    const created = await mkdir(path, { recursive: true, mode: 0o700 })
    if (created !== undefined) await syncDirectory(parent)
  }
  return path
}

/** Replaces a small file: whole or not at all, and to stay. */
export async function replaceFile(path: string, bytes: Uint8Array): Promise<void> {
  const temporary = `${path}.${randomUUID()}.tmp`
  try {
    await writeNewFile(temporary, [bytes], `writing ${path}`)
    await rename(temporary, path)
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
  await syncDirectory(dirname(path))
}

/** Writes a file that must not be there yet, and syncs it. Failures of `chunks` stay what they are. */
export async function writeNewFile(
  path: string,
  chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  doing: string,
): Promise<number> {
  const file = await whileDoing(doing, () => open(path, 'wx', 0o600))
  let position = 0
  try {
    for await (const chunk of chunks) {
      await whileDoing(doing, () => writeAll(file, [chunk], position))
      position += chunk.byteLength
    }
    await whileDoing(doing, () => file.datasync())
  } finally {
    await whileDoing(doing, () => file.close())
  }
  return position
}

/** Opens a regular file to read it; a link planted in its place is not followed. */
export function openToRead(path: string): Promise<FileHandle> {
  return open(path, constants.O_RDONLY | constants.O_NOFOLLOW)
}
