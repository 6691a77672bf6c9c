import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { run } from '../net/commands.ts'
import { BenchError } from './bench-run.ts'

/** The product as its users have it. */
export interface Product {
  /** What `import 'damselfly'` loads. */
  readonly entry: string
  /** What `import 'damselfly/testing'` loads. */
  readonly testingEntry: string
  /** The program of the command line, for Node. */
  readonly cli: string
}

const root = join(import.meta.dirname, '../../..')

/**
 * Builds and packs this working tree, and installs the package into a folder of its own, as a user would.
 * @param tarball - a package made before, to be installed instead
 */
export async function packedProduct(folder: string, tarball: string | undefined): Promise<Product> {
  const home = join(folder, 'product')
  await mkdir(home)
  let packed = tarball && resolve(tarball)
  if (packed === undefined) {
    await npm(['run', 'build', '--prefix', root])
    await npm(['pack', root, '--pack-destination', folder])
    const name = (await readdir(folder)).find((entry) => entry.endsWith('.tgz'))
    packed = join(folder, name ?? 'nothing was packed')
  }
  await writeFile(join(home, 'package.json'), JSON.stringify({ private: true }))
  await npm(['install', packed, '--prefix', home, '--prefer-offline', '--no-audit', '--no-fund'])
  return productIn(join(home, 'node_modules/damselfly'))
}

function productIn(folder: string): Product {
  return {
    entry: join(folder, 'dist/index.js'),
    testingEntry: join(folder, 'dist/testing/index.js'),
    cli: join(folder, 'dist/cli/main.js'),
  }
}

async function npm(args: readonly string[]): Promise<void> {
  try {
    await run({ program: 'npm', args: [...args, '--silent'] })
  } catch (error) {
    throw new BenchError(`npm ${args[0]} failed: ${error instanceof Error ? error.message : String(error)}`)
  }
}
