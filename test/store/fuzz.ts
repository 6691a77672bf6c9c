import { fuzzRuns, type FuzzSettings } from '../support/fuzz.ts'

export const fuzz: FuzzSettings = fuzzRuns(300)

/** For properties that touch the disk or move megabytes. */
export const slowFuzz: FuzzSettings = { ...fuzz, numRuns: Math.ceil(fuzz.numRuns / 10) }
