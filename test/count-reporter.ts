import type { Reporter, TestModule } from 'vitest/node'

/** Ends the output with one line that a machine can read: how many tests passed, failed and were skipped. */
export default class CountReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const counts = { passed: 0, failed: 0, skipped: 0, pending: 0 }
    let broken = 0
    for (const module of modules) {
      if (module.state() === 'failed' && [...module.children.allTests()].length === 0) broken++
      for (const test of module.children.allTests()) counts[test.result().state]++
    }
    const skipped = counts.skipped > 0 ? `, ${counts.skipped} skipped` : ''
    // On the next tick: the default reporter prints its summary in this same hook.
    setImmediate(() => console.log(`${counts.passed} passed, ${counts.failed + broken} failed${skipped}`))
  }
}
