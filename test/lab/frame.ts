import type { Uint8ArrayList } from 'uint8arraylist'

/** What travels over a virtual connection for one of its streams. */
export type StreamFrame =
  | { readonly kind: 'open'; readonly stream: string; readonly protocol: string }
  | { readonly kind: 'opened'; readonly stream: string }
  | { readonly kind: 'unsupported'; readonly stream: string }
  | { readonly kind: 'data'; readonly stream: string; readonly bytes: Uint8ArrayList }
  | { readonly kind: 'window'; readonly stream: string; readonly sizeBytes: number }
  | { readonly kind: 'fin'; readonly stream: string }
  | { readonly kind: 'reset'; readonly stream: string }

/** What travels over a virtual connection. */
export type Frame = StreamFrame | { readonly kind: 'end'; readonly error?: Error | undefined }

/** Headers of yamux, noise, TCP and IP, about. */
const headerBytes = 100

export function sizeOf(frame: Frame): number {
  return headerBytes + (frame.kind === 'data' ? frame.bytes.byteLength : 0)
}
