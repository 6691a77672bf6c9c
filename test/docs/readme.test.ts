import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import ts from 'typescript'
import { afterAll, beforeAll, describe, test } from 'vitest'
import type { StorageBackend } from '../../src/index.ts'
import { embeddedOrigin } from '../../src/testing/embedded-origin.ts'
import {
  storageBackendConformance,
  type StorageBackendFixture,
} from '../../src/testing/storage-backend-conformance.ts'
import { testImage } from '../../src/testing/test-image.ts'
import { checkLayout } from '../demo/image-layout.ts'

const root = join(import.meta.dirname, '../..')
const readme = readFileSync(join(root, 'README.md'), 'utf8')
const blocks = [...readme.matchAll(/^```ts\n([^]*?)^```$/gm)].map((match) => match[1] ?? '')

/** Inside the package, so that the examples find its dependencies. */
let folder: string

beforeAll(() => {
  mkdirSync(join(root, 'temp'), { recursive: true })
  folder = mkdtempSync(join(root, 'temp', 'readme-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** Writes a block as a file that imports the sources in place of the package. */
function writeBlock(name: string, block: string): string {
  const file = join(folder, `${name}.ts`)
  writeFileSync(
    file,
    block
      .replaceAll("from 'damselfly/testing'", "from '../../src/testing/index.ts'")
      .replaceAll("from 'damselfly'", "from '../../src/index.ts'"),
  )
  return file
}

async function openReadmeBackend(block: string): Promise<StorageBackendFixture> {
  const directory = mkdtempSync(join(folder, 'backend-'))
  const source = writeBlock('backend', `${block.slice(0, block.indexOf('await using'))}\nexport { sqliteBackend }`)
  const { sqliteBackend }: { sqliteBackend: (file: string) => StorageBackend } = await import(source)
  const file = join(directory, 'blobs.db')
  let backend = sqliteBackend(file)
  return {
    backend,
    async reopen() {
      await backend.close?.()
      backend = sqliteBackend(file)
      return backend
    },
    async close() {
      await backend.close?.()
    },
  }
}

describe('README', () => {
  test('has blocks that compile as a strict user would have it', () => {
    const files = blocks.map((block, index) => writeBlock(`block-${index}`, block))
    const { config } = ts.readConfigFile(join(root, 'tsconfig.json'), (path) => ts.sys.readFile(path))
    const { options } = ts.parseJsonConfigFileContent({ ...config, include: [], files }, ts.sys, root)
    const program = ts.createProgram(files, { ...options, noUnusedLocals: false })
    const problems = files.flatMap((file) => ts.getPreEmitDiagnostics(program, program.getSourceFile(file)))
    assert.equal(ts.formatDiagnostics(problems, { ...ts.createCompilerHost(options), getNewLine: () => '\n' }), '')
    assert.ok(blocks.length >= 3)
  })

  test('fetches an image with the first of them', async () => {
    await using origin = await embeddedOrigin()
    const image = testImage({ seed: 11, layerSizes: [300_000, 5000] })
    image.addTo(origin, 'library/alpine', '3.20')
    const resolver = `new ManifestResolver({ registries: { '${origin.host}': { insecure: true } } })`
    const file = writeBlock(
      'fetch-image',
      (blocks[0] ?? '')
        .replace('import { createSwarm }', 'import { createSwarm, ManifestResolver }')
        .replace('createSwarm()', `createSwarm({ resolver: ${resolver} })`)
        .replace('docker.io/library/alpine:3.20', `${origin.host}/library/alpine:3.20`),
    )
    const child = spawn(process.execPath, [file], {
      cwd: folder,
      env: { ...process.env, XDG_CACHE_HOME: join(folder, 'cache') },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')])
    assert.equal(code, 0, stderr)
    const size = [image.manifest, image.config, ...image.layers].reduce((sum, blob) => sum + blob.size, 0)
    assert.equal(stdout, `${image.manifest.digest}: ${size} bytes from the registry, 0 from 0 peers\n`)
    await checkLayout(join(folder, 'alpine'), image)
  })

  const backend = blocks.find((block) => block.includes('function sqliteBackend')) ?? ''
  for (const { name, run } of storageBackendConformance(() => openReadmeBackend(backend))) {
    test(`has a backend that keeps its promises: ${name}`, run)
  }

  test('names the files that it links to', () => {
    const links = [...readme.matchAll(/\]\((?!https?:)([^)#]+)\)/g)].map((match) => match[1] ?? '')
    assert.ok(links.length > 0)
    for (const link of links) readFileSync(join(root, link))
  })
})
