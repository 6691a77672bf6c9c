import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import ts from 'typescript'
import { describe, test } from 'vitest'

const root = join(import.meta.dirname, '../..')

interface Example {
  readonly where: string
  readonly code: string
}

/** Every `ts` block of the documents, and of the comments on exports. */
function collectExamples(): Example[] {
  const documents = listFiles(join(root, 'docs'), '.md').flatMap((path) => blocksOf(path, readFileSync(path, 'utf8')))
  const sources = listFiles(join(root, 'src'), '.ts').flatMap((path) =>
    [...readFileSync(path, 'utf8').matchAll(/\/\*\*[^]*?\*\//g)].flatMap(([comment]) =>
      blocksOf(path, comment.replace(/^ *\* ?/gm, '')),
    ),
  )
  return [...documents, ...sources]
}

function blocksOf(path: string, text: string): Example[] {
  return [...text.matchAll(/^```ts\n([^]*?)^```$/gm)].map((match) => ({
    where: relative(root, path),
    code: match[1] ?? '',
  }))
}

function listFiles(folder: string, ending: string): string[] {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(ending))
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => !/\bdocs.(html|api)\b/.test(path))
}

/** What is wrong with the examples, as a strict user's compiler sees them. */
function problemsOf(examples: readonly Example[], folder: string): string[] {
  const byFile = new Map(
    examples.map(({ where, code }, index) => {
      const file = join(folder, `example-${index}.ts`)
      const body = code
        .replaceAll("from 'damselfly/testing'", "from '../../src/testing/index.ts'")
        .replaceAll("from 'damselfly/backends/containerd'", "from '../../src/backends/containerd.ts'")
        .replaceAll("from 'damselfly'", "from '../../src/index.ts'")
      // Each is a module of its own, also where it imports nothing.
      writeFileSync(file, `${body}\nexport {}\n`)
      return [file, where]
    }),
  )
  const files = [...byFile.keys()]
  const { config } = ts.readConfigFile(join(root, 'tsconfig.json'), (path) => ts.sys.readFile(path))
  const { options } = ts.parseJsonConfigFileContent({ ...config, include: [], files }, ts.sys, root)
  const program = ts.createProgram(files, { ...options, noUnusedLocals: false, noUnusedParameters: false })
  return files.flatMap((file) =>
    ts
      .getPreEmitDiagnostics(program, program.getSourceFile(file))
      .map(({ messageText }) => `${byFile.get(file)}: ${ts.flattenDiagnosticMessageText(messageText, ' ')}`),
  )
}

describe('examples', () => {
  test('in documents and comments compile', () => {
    mkdirSync(join(root, 'temp'), { recursive: true })
    const folder = mkdtempSync(join(root, 'temp', 'examples-'))
    try {
      const examples = collectExamples()
      assert.ok(examples.length >= 10, `only ${examples.length} examples were found`)
      assert.deepEqual(problemsOf(examples, folder), [])
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })
})
