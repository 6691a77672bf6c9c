/** Something that may have to go. */
export interface EvictionCandidate {
  readonly sizeBytes: number
}

/**
 * Chooses what to delete so that at least `neededBytes` come free: from the first candidate on, and no more than is
 * needed. `undefined` when all of them together would not do: then nothing is to be deleted.
 *
 * @param candidates - what nobody holds, least recently used first
 */
export function chooseVictims<Candidate extends EvictionCandidate>(
  candidates: Iterable<Candidate>,
  neededBytes: number,
): Candidate[] | undefined {
  const victims: Candidate[] = []
  let freedBytes = 0
  for (const candidate of candidates) {
    if (freedBytes >= neededBytes) break
    victims.push(candidate)
    freedBytes += candidate.sizeBytes
  }
  if (freedBytes < neededBytes) return undefined
  // A large one at the end may have made small ones before it unnecessary: those used last are spared first.
  const needed = victims.toReversed().filter(({ sizeBytes }) => {
    const spared = freedBytes - sizeBytes >= neededBytes
    if (spared) freedBytes -= sizeBytes
    return !spared
  })
  return needed.toReversed()
}
