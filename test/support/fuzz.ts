/** How property tests run: the same cases each time, more of them with `FUZZ_RUNS`, others with `FUZZ_SEED`. */
export interface FuzzSettings {
  readonly numRuns: number
  readonly seed: number
}

/** @param usualRuns - how many cases without `FUZZ_RUNS` */
export function fuzzRuns(usualRuns: number): FuzzSettings {
  return {
    numRuns: Number(process.env['FUZZ_RUNS'] ?? usualRuns),
    seed: Number(process.env['FUZZ_SEED'] ?? 1),
  }
}
