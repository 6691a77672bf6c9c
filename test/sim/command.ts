import { parseArgs } from 'node:util'
import { matrixNames } from './matrix.ts'
import { UsageError } from './quantities.ts'
import { defaultSimOptions, optionNames, readSimOptions, type SimOptions } from './sim-options.ts'

/** What the command line asks for. */
export interface Command {
  readonly options: SimOptions
  readonly help: boolean
  readonly json: boolean
  readonly plotFile: string | undefined
  readonly matrix: string | undefined
  readonly short: boolean
}

const outputs = {
  json: { type: 'boolean', help: 'print all figures as JSON, as the last line' },
  plot: { type: 'string', help: 'write completion over time into this SVG file' },
  matrix: { type: 'string', help: `run a list of settings, one row each: ${matrixNames.join(', ')}` },
  short: { type: 'boolean', help: 'a matrix with fewer nodes' },
  help: { type: 'boolean', help: 'list the options' },
} as const

export function readCommand(args: readonly string[]): Command {
  const values = readValues(args)
  return {
    options: readSimOptions(values, defaultSimOptions),
    help: values['help'] === true,
    json: values['json'] === true,
    plotFile: textOf(values['plot']),
    matrix: textOf(values['matrix']),
    short: values['short'] === true,
  }
}

export function usage(): string {
  const lines = [...optionNames].map(([option, { help, isSwitch, shown }]) => {
    const name = isSwitch ? `--${option}` : `--${option} …`
    return `  ${name.padEnd(22)} ${help}${shown === '' ? '' : ` (${shown})`}`
  })
  const more = Object.entries(outputs).map(([option, { type, help }]) => `  ${`--${option}${type === 'string' ? ' …' : ''}`.padEnd(22)} ${help}`)
  return ['npm run sim -- [options]', '', ...lines, '', ...more].join('\n')
}

function readValues(args: readonly string[]): Readonly<Record<string, string | boolean | undefined>> {
  const options: Record<string, { type: 'boolean' | 'string' }> = {}
  for (const [option, { isSwitch }] of optionNames) options[option] = { type: isSwitch ? 'boolean' : 'string' }
  for (const [option, { type }] of Object.entries(outputs)) options[option] = { type }
  try {
    const { values } = parseArgs({ args: [...args], options })
    return Object.fromEntries(Object.entries(values).map(([option, value]) => [option, Array.isArray(value) ? undefined : value]))
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error))
  }
}

function textOf(value: string | boolean | undefined): string | undefined {
  return typeof value === 'string' ? value : undefined
}
