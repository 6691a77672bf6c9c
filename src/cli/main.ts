#!/usr/bin/env node
import { nodeVersionProblem } from './node-version.ts'

const problem = nodeVersionProblem(process.versions.node)
if (problem) {
  process.stderr.write(`${problem}\n`)
  process.exitCode = 1
} else {
  // Only now: an older Node would fail inside a dependency, with a message that helps nobody.
  const { run } = await import('./run.ts')
  process.exitCode = await run(process.argv.slice(2))
}
