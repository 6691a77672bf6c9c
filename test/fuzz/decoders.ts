import type { Decoder } from './decoder.ts'
import { engineFileDecoders } from './engine-file-decoders.ts'
import { fileDecoders } from './file-decoders.ts'
import { httpDecoders } from './http-decoders.ts'
import { imageDecoders } from './image-decoders.ts'
import { mirrorDecoders } from './mirror-decoders.ts'
import { peerDecoders } from './peer-decoders.ts'
import { valueDecoders } from './value-decoders.ts'
import { wireDecoders } from './wire-decoders.ts'

/** Everything that reads bytes or text that somebody else wrote. */
export const decoders: readonly Decoder[] = [
  ...wireDecoders,
  ...valueDecoders,
  ...httpDecoders,
  ...imageDecoders,
  ...fileDecoders,
  ...engineFileDecoders,
  ...mirrorDecoders,
  ...peerDecoders,
]
