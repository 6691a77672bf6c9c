import { randomBytes } from 'node:crypto'
import { link, mkdir, open, readFile, unlink } from 'node:fs/promises'
import { dirname } from 'node:path'
import { RequestError } from '../core/errors.ts'
import { Secret } from '../core/secret.ts'

const seedBytes = 32
const seedPattern = /^[0-9a-f]{64}\r?\n?$/i

/** 32 random bytes, from which a node's Ed25519 key can be made. */
export function newIdentitySeed(): Secret<Uint8Array> {
  return new Secret(randomBytes(seedBytes))
}

/**
 * Reads a node's identity, so that its peer id outlives the process; makes one where there is none. The file has mode
 * 0600 and holds 64 hex digits and a newline.
 *
 * @returns the 32 bytes that the node's Ed25519 key is made from
 * @throws {@link RequestError} `ERR_REQUEST_OPTION` when the file holds something else
 */
export async function loadIdentitySeed(path: string): Promise<Secret<Uint8Array>> {
  return parseIdentitySeed((await readIfThere(path)) ?? (await createIdentity(path)), path)
}

/**
 * Reads the text of an identity file.
 * @param path - of the file, for the message, which does not show the text
 * @throws {@link RequestError} `ERR_REQUEST_OPTION`
 */
export function parseIdentitySeed(text: string, path: string): Secret<Uint8Array> {
  if (!seedPattern.test(text)) {
    throw new RequestError(
      'ERR_REQUEST_OPTION',
      `${path} holds no identity (64 hex digits): move it away, and the next start makes a new one`,
    )
  }
  return new Secret(Buffer.from(text.slice(0, 2 * seedBytes), 'hex'))
}

/** Two processes may start at once: the link decides whose identity it is, and no reader sees half a file. */
async function createIdentity(path: string): Promise<string> {
  await mkdir(dirname(path), { recursive: true })
  const draft = `${path}.${randomBytes(6).toString('hex')}`
  const file = await open(draft, 'wx', 0o600)
  try {
    await file.writeFile(`${Buffer.from(newIdentitySeed().reveal()).toString('hex')}\n`)
    await file.sync()
    await link(draft, path).catch(ignore('EEXIST'))
    return await readFile(path, 'utf8')
  } finally {
    await file.close()
    await unlink(draft)
  }
}

async function readIfThere(path: string): Promise<string | undefined> {
  return readFile(path, 'utf8').catch(ignore('ENOENT'))
}

function ignore(code: string): (error: NodeJS.ErrnoException) => undefined {
  return (error) => {
    if (error.code !== code) throw error
  }
}
