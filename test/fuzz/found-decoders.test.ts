import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { describe, test } from 'vitest'
import { decoders } from './decoders.ts'

const source = join(import.meta.dirname, '../../src')
const covered = new Set(decoders.flatMap(({ covers }) => covers))
const coveredFiles = new Set([...covered].map((name) => name.split('#')[0]))

/** Exports that are named like decoders, and are none, or are reached through one of the table. */
const exempt: Readonly<Record<string, string>> = {
  'oci/range-reader.ts#readRange': 'reads a body, of which no byte is interpreted',
  'swarm/blob-reader.ts#readWhileLoading': 'gives pieces to a caller',
  'swarm/lease-messages.ts#readGrants': 'works on a message that was read',
  'cli/config.ts#readGrantSettings': 'reads five texts by the functions that readSettings reads them by',
  'cli/key-file.ts#readKeyFile': 'reads text of a file, whatever it is',
  'store/fs-io.ts#readFully': 'reads bytes of a file, whatever they are',
  'store/fs-copies.ts#readFileChunks': 'reads bytes of a file, whatever they are',
  'store/verified-reader.ts#VerifiedReader': 'compares bytes with their hash',
}

/** Files that use what reads foreign bytes, where that is no decoder. */
const exemptFiles: Readonly<Record<string, string>> = {
  'core/quoted.ts': 'writes',
  'net/member-addresses.ts': 'the table has its class',
  'net/dial-node.ts': 'its addresses were read before',
  'net/peer-name.ts': 'the table has its callers',
  'oci/registry-endpoint.ts': 'builds a URL of a name that was checked',
  'cli/program.ts': 'reads its own package.json',
  'mirror/node-server.ts': 'takes a host apart to compare its name',
  'mirror/web-handler.ts': 'its URL was made by the framework',
  'cli/open-mirror.ts': 'its addresses were read before',
  'cli/command/inspect.ts': 'shows an index that was read before',
}

describe('the table of decoders', () => {
  const files = readdirSync(source, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => join(entry.parentPath, entry.name))
    .map((path) => ({ name: relative(source, path), text: readFileSync(path, 'utf8') }))
    .filter(({ name }) => !name.startsWith('testing/'))

  test('has every export that is named like a decoder', () => {
    const named =
      /^export (?:async )?(?:function\*? (?<reader>(?:parse|decode|read)[A-Z]\w*)|class (?<decoder>\w*(?:Decoder|Assembler|Parser|Reader))\b|const (?<value>(?:parse|decode|read)[A-Z]\w*))/gm
    const found = files.flatMap(({ name, text }) =>
      Array.from(text.matchAll(named), ({ groups }) => `${name}#${groups?.['reader'] ?? groups?.['decoder'] ?? groups?.['value']}`),
    )
    assert.ok(found.length > 30, `only ${found.length} were found`)
    assert.deepEqual(found.filter((name) => !covered.has(name) && exempt[name] === undefined), [])
  })

  test('has every file that turns text or bytes into something else', () => {
    const primitive = /\bJSON\.parse\(|\bparseJsonObject\(|\bURL\.(?:parse|canParse)\(|\bnew URL\(|\bmultiaddr\(|\bpeerIdFrom(?:String|Multihash)\(|\bMultihash\.decode\(|\bDate\.parse\(|'base64(?:url)?'\)\.toString|\.getBigUint64\(/
    const users = files.filter(({ text }) => primitive.test(text)).map(({ name }) => name)
    assert.ok(users.length > 15, `only ${users.length} were found`)
    assert.deepEqual(users.filter((name) => !coveredFiles.has(name) && exemptFiles[name] === undefined), [])
  })

  test('names nothing that is not there', () => {
    const byName = new Map(files.map(({ name, text }) => [name, text]))
    const gone = [...covered, ...Object.keys(exempt)].filter((each) => {
      const [file = '', name = ''] = each.split('#')
      return !new RegExp(`\\b(?:function\\*?|class|const) ${name}\\b`).test(byName.get(file) ?? '')
    })
    assert.deepEqual([...gone, ...Object.keys(exemptFiles).filter((file) => !byName.has(file))], [])
  })
})
