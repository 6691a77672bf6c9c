import type { DistributionErrorCode } from '../oci/distribution-error.ts'

/** Why a request is not answered with what it asks for: HTTP status, and what an OCI error body says. */
export class Refusal {
  readonly status: number
  readonly code: DistributionErrorCode
  readonly message: string
  readonly headers: Readonly<Record<string, string>>

  constructor(status: number, code: DistributionErrorCode, message: string, headers: Readonly<Record<string, string>> = {}) {
    this.status = status
    this.code = code
    this.message = message
    this.headers = headers
  }
}
