import { inspect } from 'node:util'
import type { Logger } from '../index.ts'
import type { CliEvent } from './cli-event.ts'
import { printEvent } from './event-text.ts'
import { LiveLines, type TerminalSize } from './progress-bar.ts'

/** A stream of the process, as far as output needs it. */
export interface TextSink {
  readonly isTTY?: boolean
  readonly columns?: number
  readonly rows?: number
  write(text: string): unknown
}

/** How to print. */
export interface OutputInit {
  readonly json: boolean
  readonly verbose: boolean
  readonly stdout: TextSink
  readonly stderr: TextSink
}

/** Results go to standard output; progress, warnings and failures to standard error. */
export class Output {
  readonly json: boolean
  readonly verbose: boolean
  readonly #stdout: TextSink
  readonly #stderr: TextSink
  readonly #liveLines: LiveLines

  constructor(init: OutputInit) {
    this.json = init.json
    this.verbose = init.verbose
    this.#stdout = init.stdout
    this.#stderr = init.stderr
    this.#liveLines = new LiveLines((text) => void this.#stderr.write(text))
  }

  /** Whether progress can be drawn in place. */
  get isTerminal(): boolean {
    return this.#stderr.isTTY === true
  }

  get terminalSize(): TerminalSize {
    return { columns: this.#stderr.columns ?? 80, rows: this.#stderr.rows ?? 24 }
  }

  /** Prints a result: as JSON, or for people. */
  event(event: CliEvent): void {
    this.#liveLines.release()
    this.#stdout.write(`${this.json ? JSON.stringify(event) : printEvent(event)}\n`)
  }

  /** Says something that is no result. */
  note(text: string): void {
    this.#liveLines.above(`${text}\n`)
  }

  /** Shows lines that the next call replaces; for terminals only. */
  live(lines: readonly string[]): void {
    this.#liveLines.draw(lines)
  }

  /** Tells how it failed: one line for people, and with `--json` the last line of standard output. */
  failure(code: string, error: unknown, text: string = error instanceof Error ? error.message : String(error)): void {
    const message = oneLine(text)
    this.#liveLines.release()
    this.note(`damselfly: ${message}`)
    if (this.verbose && error instanceof Error) this.note(inspect(error))
    if (this.json) this.event({ event: 'error', code, message })
  }

  /** What the library has to say: warnings, and with `--verbose` everything. */
  get logger(): Logger {
    const say =
      (level: string) =>
      (message: string, facts?: Readonly<Record<string, unknown>>): void =>
        this.note(`${level} ${message}${facts ? ` ${inspect(facts, { breakLength: Infinity })}` : ''}`)
    const nothing = (): void => {}
    return {
      debug: this.verbose ? say('debug') : nothing,
      info: this.verbose ? say('info') : nothing,
      warn: say('warn'),
    }
  }
}

/** Some libraries put the stacks of causes into their messages. */
function oneLine(text: string): string {
  const lines = text.split('\n').map((line) => line.trim())
  return lines.filter((line) => line !== '' && !line.startsWith('at ')).join(' ')
}
