/** How property tests of decoders run: the same cases each time, more with `FUZZ_RUNS`, others with `FUZZ_SEED`. */
export const fuzz: { numRuns: number; seed: number } = {
  numRuns: Number(process.env['FUZZ_RUNS'] ?? 2000),
  seed: Number(process.env['FUZZ_SEED'] ?? 1),
}
