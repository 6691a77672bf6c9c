import { readFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { systemClock, type Clock } from '../core/clock.ts'
import { RequestError } from '../core/errors.ts'
import type { CredentialProvider, RegistryAuth } from './credential.ts'
import { askHelper, type HelperContext } from './credential-helper.ts'
import { findCredentials, type CredentialPlace } from './docker-config.ts'

/** Where to look for credentials. */
export interface UserCredentialsInit {
  /** @defaultValue `process.env` */
  env?: NodeJS.ProcessEnv | undefined
  /** @defaultValue the user's home folder */
  homeFolder?: string | undefined
  clock?: Clock | undefined
}

/**
 * The credentials that `podman login` and `docker login` left, and those of credential helpers. Files are read anew
 * at each question, so that a login counts at once; those that are not there are passed over.
 */
export function userCredentials(init: UserCredentialsInit = {}): CredentialProvider {
  const { env = process.env, homeFolder = homedir(), clock = systemClock } = init
  return async (target, { signal }) => {
    for (const path of credentialFiles(env, homeFolder)) {
      signal?.throwIfAborted()
      const config = await readIfThere(path)
      if (!config) continue
      for (const place of findCredentials(config, target, path)) {
        const auth = await open(place, { env, clock, signal })
        if (auth) return auth
      }
    }
    return undefined
  }
}

/** The files in which credentials may be, the most specific first: podman's, then Docker's. */
export function credentialFiles(env: NodeJS.ProcessEnv, homeFolder: string): string[] {
  const configFolder = env['XDG_CONFIG_HOME'] || join(homeFolder, '.config')
  const runtimeFolder = env['XDG_RUNTIME_DIR']
  const podman = env['REGISTRY_AUTH_FILE']
    ? [env['REGISTRY_AUTH_FILE']]
    : [...(runtimeFolder ? [runtimeFolder] : []), configFolder].map((folder) =>
        join(folder, 'containers', 'auth.json'),
      )
  return [...podman, join(env['DOCKER_CONFIG'] || join(homeFolder, '.docker'), 'config.json')]
}

async function open(
  place: CredentialPlace,
  context: HelperContext,
): Promise<RegistryAuth | undefined> {
  return place.kind === 'auth' ? place.auth : askHelper(place.helper, place.serverUrl, context)
}

async function readIfThere(path: string): Promise<Uint8Array | undefined> {
  try {
    return await readFile(path)
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
    throw new RequestError('ERR_REQUEST_OPTION', `the credentials file ${path} cannot be read`, {
      cause: error,
    })
  }
}
