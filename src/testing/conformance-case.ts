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

/** What a suite proves, and how to get at it again. */
export interface ReopenableFixture<Subject> {
  readonly subject: Subject
  reopen?(): Promise<Subject>
  close(): Promise<void>
}

/** Does something to its subject, and returns what must be true of it from then on. */
export type Prove<Subject> = (subject: Subject) => Promise<(later: Subject) => Promise<void>>

/** Promises as cases: each holds at once, and again after reopening, where the subject can be. */
export function casesOf<Subject>(
  promises: Readonly<Record<string, Prove<Subject>>>,
  open: () => Promise<ReopenableFixture<Subject>>,
): readonly ConformanceCase[] {
  return Object.entries(promises).map(([name, prove]) => ({
    name,
    async run() {
      const fixture = await open()
      try {
        const check = await prove(fixture.subject)
        await check(fixture.subject)
        if (!fixture.reopen) return
        const reopened = await fixture.reopen()
        await check(reopened).catch((error: unknown) => {
          if (error instanceof Error) error.message = `after reopening: ${error.message}`
          throw error
        })
      } finally {
        await fixture.close()
      }
    },
  }))
}
