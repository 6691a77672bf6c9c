/** How property tests run: the same cases each time, more of them with `FUZZ_RUNS`, others with `FUZZ_SEED`. */
export const fuzz: { numRuns: number; seed: number } = {
  numRuns: Number(process.env['FUZZ_RUNS'] ?? 300),
  seed: Number(process.env['FUZZ_SEED'] ?? 1),
}

/** For properties that touch the disk or move megabytes. */
export const slowFuzz: { numRuns: number; seed: number } = {
  ...fuzz,
  numRuns: Math.ceil(fuzz.numRuns / 10),
}
