import { pieceProtocol } from '../../src/wire/protocol.ts'
import type { Lab } from './lab.ts'
import type { LabNode } from './lab-node.ts'
import type { Fault } from './schedule.ts'
import type { Tamper } from './virtual-connection.ts'

/** Makes a fault happen, and takes it back when its time is over. */
export function inflict(lab: Lab, fault: Fault): void {
  const { network, time, nodes } = lab
  const node = (index: number): LabNode => {
    const found = nodes[index]
    if (!found) throw new TypeError(`there is no node ${index}`)
    return found
  }
  lab.time.note('fault', fault.kind)
  switch (fault.kind) {
    case 'reset':
      if (node(fault.a).running && node(fault.b).running) network.reset(node(fault.a).libp2p, node(fault.b).libp2p)
      break
    case 'reset-streams':
      if (node(fault.a).running) resetStreams(node(fault.a), node(fault.b))
      break
    case 'one-way':
      cut(lab, [[node(fault.a).name, node(fault.b).name]], fault.forMs)
      break
    case 'partition':
      cut(lab, across(nodes, fault.side), fault.forMs)
      break
    case 'delay':
    case 'reorder':
    case 'loss': {
      const way = network.conditions.way(node(fault.a).name, node(fault.b).name)
      const before = { ...way }
      if (fault.kind === 'delay') way.latencyMs += fault.latencyMs
      else if (fault.kind === 'reorder') way.reorderMs = fault.byMs
      else way.loss = fault.part
      time.after(fault.forMs, () => {
        if (fault.kind === 'delay') way.latencyMs = before.latencyMs
        else if (fault.kind === 'reorder') way.reorderMs = 0
        else way.loss = 0
      })
      break
    }
    case 'turns-bits':
      node(fault.a).sendOtherwise(turnsBits(fault.every))
      break
    case 'block':
      if (node(fault.a).running) node(fault.a).loop.block(fault.forMs)
      break
    case 'clock':
      if (node(fault.a).running) node(fault.a).loop.setWallForward(fault.byMs)
      break
    case 'kill':
      if (node(fault.a).running) node(fault.a).kill()
      break
    case 'origin':
      lab.origin.faults.push({ ...fault.fault })
      break
    case 'origin-down':
      lab.origin.goDown(fault.forMs)
      break
    default:
      fault satisfies never
  }
}

/** Bad memory: in each so-and-so-many-th answer a bit is turned. */
export function turnsBits(every: number): Tamper {
  let frames = 0
  return (protocol, bytes) => {
    if (protocol !== pieceProtocol || bytes.byteLength < 200 || ++frames % every !== 0) return bytes
    const at = bytes.byteLength >> 1
    bytes[at] = (bytes[at] ?? 0) ^ 1
    return bytes
  }
}

function resetStreams(a: LabNode, b: LabNode): void {
  for (const { remotePeer, streams } of a.libp2p.connections) {
    if (remotePeer.toString() !== b.peerId) continue
    for (const stream of streams) if (stream.protocol === pieceProtocol) stream.abort(new TypeError('the muxer reset it'))
  }
}

function cut(lab: Lab, ways: readonly (readonly [string, string])[], forMs: number): void {
  for (const [from, to] of ways) lab.network.block(from, to)
  lab.time.after(forMs, () => {
    for (const [from, to] of ways) lab.network.open(from, to)
  })
}

function across(nodes: readonly LabNode[], side: readonly number[]): [string, string][] {
  const inside = nodes.filter((_, index) => side.includes(index))
  const outside = nodes.filter((_, index) => !side.includes(index))
  return inside.flatMap((a) => outside.flatMap((b): [string, string][] => [[a.name, b.name], [b.name, a.name]]))
}
