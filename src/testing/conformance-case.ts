/**
 * One promise of an interface, to be checked on an implementation: `test(name, run)` in any test runner.
 * @public
 */
export interface ConformanceCase {
  /** The promise, as a fact. */
  readonly name: string
  /** Rejects when the promise is not kept. */
  readonly run: () => Promise<void>
}
