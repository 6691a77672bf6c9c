import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize, relative } from 'node:path'
import { describe, test } from 'vitest'

const root = join(import.meta.dirname, '..')
const files = listFiles(join(root, 'src')).map((path) => {
  const text = readFileSync(path, 'utf8')
  const own = relative(join(root, 'src'), path)
  return { path: own, text, imports: importsOf(own, text) }
})

/** Lower layers first; a folder imports its own layer only where it says so below. */
const layers: readonly (readonly string[])[] = [
  ['core'],
  ['wire', 'engine', 'traffic', 'trust'],
  ['store', 'oci', 'discovery', 'net', 'metrics'],
  ['swarm', 'backends'],
  ['mirror', 'cli'],
]

describe('architecture', () => {
  test('imports point downwards', () => {
    const wrong = files.flatMap(({ path, imports }) =>
      imports.filter(({ to, typeOnly }) => !mayImport(path, to, typeOnly)).map(({ to }) => `${path} -> ${to}`),
    )
    assert.deepEqual(wrong, [])
  })

  test('no import goes in a circle', () => {
    const graph = new Map(files.map(({ path, imports }) => [path, imports.map(({ to }) => to)]))
    assert.deepEqual(circlesOf(graph), [])
  })

  test('decisions do no I/O and know no time', () => {
    const allowed = new Set(['core/digest.ts', 'core/clock.ts', 'core/random.ts', 'core/log.ts', 'core/abortable.ts', 'core/shared-attempts.ts', 'core/clean-up.ts'])
    const forbidden = /\bnode:|\basync\b|\bawait\b|\bPromise\b|\bset(?:Timeout|Interval)\b|\bDate\b|Math\.random|\bprocess\.|\bconsole\./
    const wrong = files
      .filter(({ path }) => /^(core|wire|engine|traffic|trust)\//.test(path) && !allowed.has(path))
      .filter(({ path, text }) => forbidden.test(path === 'core/origin.ts' ? '' : withoutComments(text)))
      .map(({ path }) => path)
    assert.deepEqual(wrong, [])
  })

  test('only net and discovery load libp2p', () => {
    const pattern = /^(libp2p|@libp2p\/|@chainsafe\/|@multiformats\/)/
    assert.deepEqual(importersOf(pattern).filter((path) => !/^(net|discovery)\//.test(path)), [])
  })

  test('only storage, backends, credentials, layouts, identities, bans, testing and the CLI touch files', () => {
    const allowed = /^(store\/fs-|backends\/|oci\/(fs-|credential)|net\/(identity|ban-file)|testing\/|cli\/)/
    assert.deepEqual(importersOf(/^node:fs/).filter((path) => !allowed.test(path)), [])
  })

  test('testing loads the core and interfaces only', () => {
    const wrong = files
      .filter(({ path }) => path.startsWith('testing/'))
      .flatMap(({ path, imports }) =>
        imports
          .filter(({ to, typeOnly }) => !/^(core|testing)\//.test(to) && !typeOnly)
          .map(({ to }) => `${path} -> ${to}`),
      )
    assert.deepEqual(wrong, [])
  })

  test('files stay small', () => {
    const long = files.filter(({ text }) => text.split('\n').length > 401).map(({ path }) => path)
    assert.deepEqual(long, [])
  })

  test('errors have codes, and nothing is left for later', () => {
    const wrong = files
      .filter(({ text }) => /throw new Error\(|\bTODO\b|\bFIXME\b|not implemented|@ts-(ignore|expect-error)/.test(text))
      .map(({ path }) => path)
    assert.deepEqual(wrong, [])
  })

  test('types are not talked around', () => {
    const wrong = files
      .filter(({ text }) => /: any\b|\bas any\b|as unknown as/.test(withoutComments(text)))
      .map(({ path }) => path)
    assert.deepEqual(wrong, [])
  })

  test('certificates are verified but for hosts that the user named', () => {
    const lines = files.flatMap(({ path, text }) =>
      withoutComments(text).split('\n').filter((line) => /rejectUnauthorized|NODE_TLS|checkServerIdentity/.test(line)).map((line) => `${path}: ${line.trim()}`),
    )
    assert.deepEqual(lines, ['oci/connector.ts: rejectUnauthorized: !trust?.insecure,'])
  })

  test('nothing is printed behind the back of the user', () => {
    const wrong = files.filter(({ text }) => /\bconsole\b/.test(withoutComments(text))).map(({ path }) => path)
    assert.deepEqual(wrong, [])
  })

  test('secrets leave where they are used, and never as part of a text', () => {
    const uses = files.flatMap(({ path, text }) =>
      withoutComments(text).split('\n').filter((line) => line.includes('.reveal()')).map((line) => ({ path, line: line.trim() })),
    )
    const users = /^(oci\/(credential|http-client|http-origin|registries|registry-authorizer|token-source)|net\/(identity|libp2p-node)|discovery\/topic-key)\.ts$/
    assert.deepEqual(uses.filter(({ path }) => !users.test(path)), [])
    // What is made of them is a secret again, or the one file that holds it.
    const texts = uses.filter(({ line }) => /`[^`]*\.reveal\(\)[^`]*`/.test(line) && !line.includes('new Secret('))
    assert.deepEqual(texts.map(({ path }) => path), ['net/identity.ts', 'oci/credential.ts'])
    assert.deepEqual(uses.filter(({ line }) => /logger|Error\(|emit\(|metrics/.test(line)), [])
  })

  test('every setting of a node is read', () => {
    const init = files.find(({ path }) => path === 'swarm/swarm-init.ts')?.text ?? ''
    const names = [...init.matchAll(/^ {2}(\w+)\??:/gm)].map((match) => match[1])
    const readers = files.filter(({ path }) => path.startsWith('swarm/') && path !== 'swarm/swarm-init.ts')
    const unread = names.filter((name) => !readers.some(({ text }) => new RegExp(`\\b${name}\\b`).test(text)))
    assert.deepEqual(unread, [])
  })

  test('at most twenty packages are needed at run time', () => {
    const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
    const declared = Object.keys(manifest.dependencies)
    assert.ok(declared.length <= 20, `${declared.length} dependencies`)
    const used = new Set(files.flatMap(({ text }) => [...text.matchAll(/from '([^'.][^']*)'/g)].map((m) => packageOf(m[1] ?? ''))))
    assert.deepEqual(declared.filter((name) => !used.has(name)), [])
  })
})

interface Import {
  readonly to: string
  readonly typeOnly: boolean
}

function mayImport(from: string, to: string, typeOnly: boolean): boolean {
  const [fromFolder, toFolder] = [folderOf(from), folderOf(to)]
  if (fromFolder === toFolder || fromFolder === '' || fromFolder === 'testing') return true
  // The command line goes through the public entries, like any other user.
  if (fromFolder === 'cli') return to === 'index.ts' || to === 'backends/containerd.ts'
  if (fromFolder === 'engine' && to === 'wire/messages.ts') return typeOnly
  const [fromLayer, toLayer] = [layerOf(fromFolder), layerOf(toFolder)]
  if (fromLayer > toLayer) return true
  if (fromFolder === 'engine' && toFolder === 'trust') return true
  if (toFolder === 'metrics') return fromLayer === toLayer
  return fromLayer === toLayer && to === 'net/libp2p-node.ts' && typeOnly
}

function layerOf(folder: string): number {
  return layers.findIndex((layer) => layer.includes(folder))
}

function folderOf(path: string): string {
  return path.includes('/') ? (path.split('/')[0] ?? '') : ''
}

function importersOf(pattern: RegExp): string[] {
  return files
    .filter(({ text }) =>
      [...text.matchAll(/^import (type )?[^;]*?from '([^']+)'/gm)].some((match) => !match[1] && pattern.test(match[2] ?? '')),
    )
    .map(({ path }) => path)
}

function packageOf(specifier: string): string {
  return specifier.split('/').slice(0, specifier.startsWith('@') ? 2 : 1).join('/')
}

function importsOf(from: string, text: string): Import[] {
  const matches = text.matchAll(/^(?:import|export) (type )?[^;'"]*?from '(\.[^']+)'/gm)
  return [...matches].map((match) => ({ to: normalize(join(dirname(from), match[2] ?? '')), typeOnly: match[1] !== undefined }))
}

function listFiles(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => join(entry.parentPath, entry.name))
}

function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/\/\/.*$/gm, '')
}

function circlesOf(graph: ReadonlyMap<string, readonly string[]>): string[] {
  const done = new Set<string>()
  const circles: string[] = []
  const visit = (path: string, trail: readonly string[]): void => {
    if (trail.includes(path)) circles.push([...trail.slice(trail.indexOf(path)), path].join(' -> '))
    if (done.has(path) || trail.includes(path)) return
    for (const next of graph.get(path) ?? []) visit(next, [...trail, path])
    done.add(path)
  }
  for (const path of graph.keys()) visit(path, [])
  return circles
}
