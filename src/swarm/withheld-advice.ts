import {
  isPublic,
  maxRepositories,
  namesOf,
  ruleFor,
  type CompiledRule,
  type SharedBlob,
  type VerdictOf,
} from '../trust/sharing-rules.ts'

/** Why nobody may read a blob. */
export interface Withheld {
  /** Empty where the blob has none. */
  readonly repository: string
  /** The one line that would change it. */
  readonly advice: string
}

/** What the answer depends on. */
export interface AdviceFacts {
  readonly rules: readonly CompiledRule[]
  readonly verdictOf: VerdictOf
  readonly closedNetwork: boolean
}

const key = 'network: { key } makes a closed network whose members share it'

/** Why nobody at all may read a blob by the rules, whatever he shows; `undefined` when somebody may. */
export function whyWithheld(blob: SharedBlob, facts: AdviceFacts): Withheld | undefined {
  const open = isPublic(blob, facts.verdictOf)
  if (!open && facts.rules.length > 0 && blob.repositories.length >= maxRepositories) {
    const [repository = ''] = namesOf(blob)
    return { repository, advice: `it is part of more than ${maxRepositories} repositories: only without sharing.rules is it shared, with members of a closed network` }
  }
  const found = namesOf(blob).map((repository) => obstacleOf(repository, open, facts))
  return open && found.includes(undefined) ? undefined : found.find((withheld) => withheld !== undefined)
}

function obstacleOf(repository: string, open: boolean, { rules, verdictOf, closedNetwork }: AdviceFacts): Withheld | undefined {
  if (verdictOf(repository) === 'denied') {
    return { repository, advice: `credentials that may read ${repository}: its registry refused those that this node has` }
  }
  const rule = ruleFor(rules, repository)
  const access = rule?.access ?? (open ? 'public' : 'network')
  if (access === 'never') {
    return { repository, advice: `{ match: '${rule?.pattern.text ?? ''}', access: 'network' } in sharing.rules lets members of a closed network read it` }
  }
  return access === 'network' && !closedNetwork ? { repository, advice: key } : undefined
}
