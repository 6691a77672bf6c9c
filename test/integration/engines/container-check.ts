import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { run } from '../tools.ts'

/** Why this machine runs no containers, whatever engine asks; `undefined` when it does. */
export async function whyNoContainers(directory: string): Promise<string | undefined> {
  try {
    const bundle = join(directory, 'bundle')
    mkdirSync(join(bundle, 'rootfs', 'bin'), { recursive: true })
    copyFileSync('/bin/busybox', join(bundle, 'rootfs', 'bin', 'busybox'))
    await run('runc', ['spec', '--bundle', bundle])
    const path = join(bundle, 'config.json')
    const spec = JSON.parse(readFileSync(path, 'utf8'))
    Object.assign(spec.process, { terminal: false, args: ['/bin/busybox', 'true'] })
    writeFileSync(path, JSON.stringify(spec))
    await run('runc', ['--root', join(directory, 'runc'), 'run', '--bundle', bundle, `damselfly-check-${process.pid}`])
    return undefined
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}
