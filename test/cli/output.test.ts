import assert from 'node:assert/strict'
import { describe, test } from 'vitest'
import { Output } from '../../src/cli/output.ts'

function open(init: { json?: boolean; verbose?: boolean }): { output: Output; written: { stdout: string; stderr: string } } {
  const written = { stdout: '', stderr: '' }
  const output = new Output({
    json: init.json ?? false,
    verbose: init.verbose ?? false,
    stdout: { write: (text) => (written.stdout += text) },
    stderr: { write: (text) => (written.stderr += text) },
  })
  return { output, written }
}

describe('Output', () => {
  const failure = new TypeError('two things failed:\n  one: Error: no\n    at somewhere (file.ts:1:2)\n')

  test('tells of a failure in one line, without the stacks that its message holds', () => {
    const { output, written } = open({})
    output.failure('ERR_X', failure)
    assert.deepEqual(written, { stdout: '', stderr: 'damselfly: two things failed: one: Error: no\n' })
  })

  test('with --json, tells it on standard output as well', () => {
    const { output, written } = open({ json: true })
    output.failure('ERR_X', failure)
    assert.deepEqual(JSON.parse(written.stdout), { event: 'error', code: 'ERR_X', message: 'two things failed: one: Error: no' })
    assert.equal(written.stderr, 'damselfly: two things failed: one: Error: no\n')
  })

  test('with --verbose, shows where it happened and what caused it', () => {
    const { output, written } = open({ verbose: true })
    output.failure('ERR_X', new TypeError('outer', { cause: new RangeError('inner') }))
    assert.match(written.stderr, /^damselfly: outer\nTypeError: outer\n\s+at [^]*RangeError: inner/)
  })

  test('passes on warnings, and the rest only with --verbose', () => {
    const quiet = open({})
    quiet.output.logger.info('hello')
    quiet.output.logger.warn('beware', { peer: 'x' })
    assert.equal(quiet.written.stderr, "warn beware { peer: 'x' }\n")
    const chatty = open({ verbose: true })
    chatty.output.logger.debug('hello')
    chatty.output.logger.info('there')
    assert.equal(chatty.written.stderr, 'debug hello\ninfo there\n')
  })
})
