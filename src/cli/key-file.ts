import { readFile, stat } from 'node:fs/promises'
import { RequestError } from '../index.ts'

/**
 * The text of a file that holds a key, which is its owner's alone.
 *
 * @param advice - how to make such a file
 * @throws {@link RequestError} `ERR_REQUEST_OPTION` when it cannot be read, or when others can read or change it; the message does not show the key
 */
export async function readKeyFile(file: string, advice: string): Promise<string> {
  const [mode, text] = await Promise.all([stat(file).then((stats) => stats.mode & 0o777), readFile(file, 'utf8')]).catch((cause: unknown) => {
    throw new RequestError('ERR_REQUEST_OPTION', `the key file ${file} cannot be read: ${advice}`, { cause })
  })
  // Windows has no such modes.
  if ((mode & 0o077) === 0 || process.platform === 'win32') return text
  throw new RequestError(
    'ERR_REQUEST_OPTION',
    `${file} has mode ${mode.toString(8)}: others may read the key, or change it; chmod 600 ${file}, and make another key if they may have`,
  )
}
