import { CommanderError, InvalidArgumentError } from 'commander'
import { wantsJson } from './config.ts'
import { Interruption } from './interruption.ts'
import { Output } from './output.ts'
import { createProgram } from './program.ts'

const exitCodes = { done: 0, failed: 1, badUsage: 2 } as const

/**
 * Runs one command line and returns the exit code; everything it opened is closed by then.
 *
 * @param argv - without the program's own name
 */
export async function run(argv: readonly string[]): Promise<number> {
  using interruption = new Interruption()
  const { env, stdout, stderr } = process
  for (const stream of [stdout, stderr]) stream.on('error', ignoreBrokenPipe)
  try {
    await createProgram({ env, stdout, stderr, signal: interruption.signal }).parseAsync(argv, { from: 'user' })
    return interruption.exitCode ?? exitCodes.done
  } catch (error) {
    // Help and version are errors to commander; the text is printed by now.
    if (error instanceof CommanderError && error.exitCode === 0) return exitCodes.done
    if (error instanceof CommanderError && error.code === 'commander.help') return exitCodes.badUsage
    const output = new Output({
      json: wantsJson(argv, env),
      verbose: argv.includes('--verbose'),
      stdout,
      stderr,
    })
    if (interruption.exitCode !== undefined) {
      output.failure('ERR_CLI_INTERRUPTED', error, 'interrupted: run the same command again to go on from here')
      return interruption.exitCode
    }
    return await fail(error, output)
  }
}

/** A reader that has gone (`damselfly … | head -1`) is no reason to fail: from then on nobody is told. */
function ignoreBrokenPipe(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EPIPE' && error.code !== 'ERR_STREAM_DESTROYED') throw error
}

async function fail(error: unknown, output: Output): Promise<number> {
  if (error instanceof CommanderError) {
    // Those of our own say what would be right; commander's only what is wrong.
    const hint = error instanceof InvalidArgumentError ? '' : ': see damselfly --help'
    output.failure('ERR_REQUEST_OPTION', error, `${error.message.replace(/^error: /, '')}${hint}`)
    return exitCodes.badUsage
  }
  const { RequestError, SwarmError } = await import('../index.ts')
  output.failure(error instanceof SwarmError ? error.code : 'ERR_CLI_UNEXPECTED', error)
  return error instanceof RequestError ? exitCodes.badUsage : exitCodes.failed
}
