/** What a registry was asked for blobs and manifests, and what it sent of them. */
export interface OriginUse {
  readonly requests: number
  /** Bytes of bodies, those of answers that were cut short included. */
  readonly bytes: number
}

const line = /"(?:GET|HEAD) \/v2\/\S+\/(?:blobs|manifests)\/\S+ HTTP\/1\.[01]" (\d{3}) (\d+)/g

/** Adds up the access log of Debian's docker-registry. Lines of its other log, and the pings of `/v2/`, do not count. */
export function addUpAccessLog(text: string): OriginUse {
  let requests = 0
  let bytes = 0
  for (const [, status = '', sent = ''] of text.matchAll(line)) {
    requests++
    if (status === '200' || status === '206') bytes += Number(sent)
  }
  return { requests, bytes }
}
