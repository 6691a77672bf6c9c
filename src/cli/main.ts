#!/usr/bin/env node
import { nodeVersionProblem } from './node-version.ts'

const problem = nodeVersionProblem(process.versions.node)
if (problem) {
  process.stderr.write(`${problem}\n`)
  process.exitCode = 1
} else {
  // Only now: an older Node would fail inside a dependency, with a message that helps nobody.
  const { run } = await import('./run.ts')
  const exitCode = await run(process.argv.slice(2))
  await Promise.all([process.stdout, process.stderr].map((stream) => new Promise((done) => stream.write('', done))))
  // All of ours is closed; a stopped libp2p node would hold the process for another second (its address manager's debounce).
  process.exit(exitCode)
}
