import type { Location } from '../wire/messages.ts'

export const unknownLocation: Location = { region: '', zone: '', rack: '' }

/** The distance of a peer in another region: no pieces come from there. */
export const farDistance = 3

/** 0 same rack, 1 same zone, 2 same region or unknown, 3 another region. */
export function distanceOf(ours: Location, theirs: Location): number {
  if (ours.region === '' || theirs.region === '') return 2
  if (ours.region !== theirs.region) return farDistance
  if (ours.zone === '' || ours.zone !== theirs.zone) return 2
  return ours.rack !== '' && ours.rack === theirs.rack ? 0 : 1
}
