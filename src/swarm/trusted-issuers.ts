import { RequestError } from '../core/errors.ts'
import { isSigner } from '../net/signing-key.ts'

/** Whose claims count before the whole blob is verified: in a closed network everybody's, else those of the named peers and supernodes. */
export function trustTest(closedNetwork: boolean, issuers: readonly string[], supernodes: readonly string[]): (issuer: string) => boolean {
  for (const issuer of issuers) {
    if (isSigner(issuer)) continue
    throw new RequestError('ERR_REQUEST_OPTION', `trustedIssuers names ${issuer}, which is no peer id of an Ed25519 key: they begin with 12D3KooW`)
  }
  // A supernode that is known by its address alone could be anybody who answers there.
  const named = supernodes.flatMap((address) => /\/p2p\/([^/]+)$/.exec(address)?.[1] ?? [])
  const trusted = new Set([...issuers, ...named])
  return (issuer) => closedNetwork || trusted.has(issuer)
}
