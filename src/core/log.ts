/**
 * Takes what the library has to say. `console` is one; the default says nothing.
 * Secrets never reach it.
 * @public
 */
export interface Logger {
  /** For whoever looks for a fault. */
  debug(message: string, facts?: Readonly<Record<string, unknown>>): void
  /** What happened, and was dealt with. */
  info(message: string, facts?: Readonly<Record<string, unknown>>): void
  /** What somebody should look at. */
  warn(message: string, facts?: Readonly<Record<string, unknown>>): void
}

/** A logger that says nothing. */
export const silentLogger: Logger = { debug() {}, info() {}, warn() {} }
