import { open } from 'node:fs/promises'
import { grantIssuer, issueGrant, newGrantKey, RequestError } from '../../index.ts'
import type { CommandContext } from '../command-context.ts'
import { readGrantSettings } from '../config.ts'
import { readKeyFile } from '../key-file.ts'

/** Signs a grant and prints it; or makes a key, or tells what the holder of one is called in rules. */
export async function grant({ output, given, env }: CommandContext): Promise<void> {
  const { keyFile, isNew, peerId, match, ttlMs } = readGrantSettings(given, env)
  if (keyFile === undefined) throw badUsage('say which key signs: --key FILE, and --new to make it')
  const key = isNew ? await makeKey(keyFile) : await readKeyFile(keyFile, 'make one with --new')
  const issuer = grantIssuer(key)
  if (peerId === undefined && match === undefined) return output.event({ event: 'issuer', issuer })
  if (peerId === undefined) throw badUsage('say who may read: --peer ID, which the ready line of damselfly serve shows')
  if (match === undefined) throw badUsage('say what may be read: --match PATTERN, like registry.example/team/**')
  output.event({ event: 'granted', grant: issueGrant({ key, peerId, match, ttlMs }), issuer, peerId, match })
}

async function makeKey(file: string): Promise<string> {
  const { key } = newGrantKey()
  try {
    // With the mode from the start: no one else reads it meanwhile.
    await using made = await open(file, 'wx', 0o600)
    await made.writeFile(key)
    await made.sync()
    return key
  } catch (cause) {
    throw new RequestError('ERR_REQUEST_OPTION', `${file} cannot be made: a new key goes to a file that does not exist yet`, { cause })
  }
}

function badUsage(message: string): RequestError {
  return new RequestError('ERR_REQUEST_OPTION', message)
}
