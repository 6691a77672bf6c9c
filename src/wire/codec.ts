import { assertNever } from '../core/errors.ts'
import { ByteReader } from './byte-reader.ts'
import { ByteWriter } from './byte-writer.ts'
import {
  bitfieldLayout,
  claimLayout,
  fetchingLayout,
  forgetLayout,
  freshLayout,
  grantLayout,
  haveLayout,
  helloLayout,
  inlineLayout,
} from './control-layouts.ts'
import { absentLayout, busyLayout, pieceLayout, requestLayout } from './data-layouts.ts'
import { frameHeaderBytes, maxFrameBytes, writeFrameHeader } from './frame-header.ts'
import { holdOffLayout, leaseAskLayout, leaseLayout } from './lease-layouts.ts'
import { joinLayout, membersLayout } from './member-layouts.ts'
import type { MessageLayout } from './message-layout.ts'
import type { ControlMessage, Message, Reply, Request } from './messages.ts'
import { violation } from './violation.ts'

/** From here on an unknown type is skipped; below, it is a protocol error. */
const firstOptionalCode = 0x80

/** What one side of one kind of stream may send: how to read it, by type. */
export type MessageSet<M extends Message> = ReadonlyMap<number, MessageLayout<M>['read']>

/** What travels on a control stream, either way. */
export const controlMessages: MessageSet<ControlMessage> = messageSet<ControlMessage>(
  helloLayout,
  joinLayout,
  membersLayout,
  bitfieldLayout,
  claimLayout,
  haveLayout,
  freshLayout,
  fetchingLayout,
  forgetLayout,
  inlineLayout,
  leaseAskLayout,
  leaseLayout,
  holdOffLayout,
  grantLayout,
)
/** What the asker sends on a data stream. */
export const requestMessages: MessageSet<Request> = messageSet(requestLayout)
/** What the holder sends on a data stream; the bytes of a piece follow its frame. */
export const replyMessages: MessageSet<Reply> = messageSet<Reply>(pieceLayout, busyLayout, absentLayout)

/**
 * The whole frame of a message; of a `piece`, without the bytes that follow.
 * @throws `RangeError` when the message breaks a limit of the protocol
 */
export function encodeFrame(message: Message): Uint8Array {
  switch (message.type) {
    case 'hello':
      return frameOf(helloLayout, message)
    case 'join':
      return frameOf(joinLayout, message)
    case 'members':
      return frameOf(membersLayout, message)
    case 'bitfield':
      return frameOf(bitfieldLayout, message)
    case 'claim':
      return frameOf(claimLayout, message)
    case 'have':
      return frameOf(haveLayout, message)
    case 'fresh':
      return frameOf(freshLayout, message)
    case 'fetching':
      return frameOf(fetchingLayout, message)
    case 'forget':
      return frameOf(forgetLayout, message)
    case 'inline':
      return frameOf(inlineLayout, message)
    case 'lease-ask':
      return frameOf(leaseAskLayout, message)
    case 'lease':
      return frameOf(leaseLayout, message)
    case 'hold-off':
      return frameOf(holdOffLayout, message)
    case 'grant':
      return frameOf(grantLayout, message)
    case 'request':
      return frameOf(requestLayout, message)
    case 'piece':
      return frameOf(pieceLayout, message)
    case 'busy':
      return frameOf(busyLayout, message)
    case 'absent':
      return frameOf(absentLayout, message)
    default:
      return assertNever(message)
  }
}

/**
 * The message in a payload; `undefined` when its type is optional and not known. It shares no memory with the payload.
 * @param code - the frame's type byte
 * @param messages - what may come
 * @throws {@link PeerError} `ERR_PEER_PROTOCOL`
 */
export function decodePayload<M extends Message>(
  messages: MessageSet<M>,
  code: number,
  payload: Uint8Array,
): M | undefined {
  const read = messages.get(code)
  if (!read) {
    if (code >= firstOptionalCode) return undefined
    throw violation(`a message of type 0x${code.toString(16).padStart(2, '0')}, which has no place there`)
  }
  const reader = new ByteReader(payload)
  const message = read(reader)
  reader.end()
  return message
}

function messageSet<M extends Message>(
  ...layouts: readonly Pick<MessageLayout<M>, 'code' | 'read'>[]
): MessageSet<M> {
  return new Map(layouts.map(({ code, read }) => [code, read]))
}

function frameOf<M extends Message>({ code, write }: MessageLayout<M>, message: M): Uint8Array {
  const writer = new ByteWriter(maxFrameBytes)
  writer.fixed(new Uint8Array(frameHeaderBytes), frameHeaderBytes)
  write(writer, message)
  const frame = writer.finish()
  writeFrameHeader(frame, code)
  return frame
}
