import { fuzzRuns, type FuzzSettings } from '../support/fuzz.ts'

export const fuzz: FuzzSettings = fuzzRuns(2000)
