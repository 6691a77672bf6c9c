import type { WithheldEvent } from '../index.ts'
import type { Output } from './output.ts'

/** Tells of what nobody may read as JSON; people read the warning that the library logs. */
export function reportWithheld(output: Output): (event: WithheldEvent) => void {
  return ({ repository, digest, advice }) => {
    if (output.json) output.event({ event: 'withheld', repository, digest, advice })
  }
}
