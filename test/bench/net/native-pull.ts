import { once } from 'node:events'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { BenchError } from '../support/bench-run.ts'
import { digestOfFile } from '../support/seeded-file.ts'
import { start, type Command } from './commands.ts'
import type { BlobFile, Registry } from './registry.ts'

/**
 * All places fetch a blob at once straight from the registry, by `curl`.
 *
 * @param namespaces - where each of them runs; `undefined` is right here
 * @returns how long each took, in milliseconds
 */
export async function curlAll(
  namespaces: readonly (string | undefined)[],
  registry: Registry,
  repository: string,
  blob: BlobFile,
  folder: string,
): Promise<number[]> {
  const url = `http://${registry.host}/v2/${repository}/blobs/${blob.digest}`
  const files = namespaces.map((_, index) => join(folder, `curl-${index}`))
  const startedMs = performance.now()
  const times = await Promise.all(
    namespaces.map(async (namespace, index) => {
      await finish({ program: 'curl', args: ['-sS', '-f', '-o', files[index] ?? '', url], namespace })
      return performance.now() - startedMs
    }),
  )
  for (const file of files) {
    const digest = await digestOfFile(file)
    if (digest !== blob.digest) throw new BenchError(`curl fetched ${digest} as ${blob.digest}`)
    await rm(file)
  }
  return times
}

/** The same by `skopeo copy`, of the image `v1` into an OCI image layout. */
export async function skopeoAll(
  namespaces: readonly (string | undefined)[],
  registry: Registry,
  repository: string,
  folder: string,
): Promise<number[]> {
  const layouts = namespaces.map((_, index) => join(folder, `skopeo-${index}`))
  const startedMs = performance.now()
  const times = await Promise.all(
    namespaces.map(async (namespace, index) => {
      const [from, to] = [`docker://${registry.host}/${repository}:v1`, `oci:${layouts[index]}:v1`]
      const args = ['copy', '-q', '--insecure-policy', '--src-tls-verify=false', from, to]
      await finish({ program: 'skopeo', args, namespace })
      return performance.now() - startedMs
    }),
  )
  for (const layout of layouts) await rm(layout, { recursive: true })
  return times
}

async function finish(command: Command): Promise<void> {
  const child = start(command, ['ignore', 'ignore', 'pipe'])
  let said = ''
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (said += text))
  const [code] = await once(child, 'close')
  if (code !== 0) throw new BenchError(`${command.program} failed: ${said.slice(-500)}`)
}
