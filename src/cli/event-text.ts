import type { Descriptor, PeerShare, TransferStats } from '../index.ts'
import type { CliEvent, ConfiguredEvent, InspectedEvent } from './cli-event.ts'

/** An event for people: the same facts as its JSON, in one or a few lines. */
export function printEvent(event: CliEvent): string {
  switch (event.event) {
    case 'ready':
      return [`node ${event.peerId} is ready; stop it with Ctrl-C`, ...reachableAt(event.addresses), ...(event.mirror ? [`registry mirror at ${event.mirror}`] : [])].join('\n')
    case 'seeding':
      return [`seeding ${event.digest}; stop with Ctrl-C`, ...reachableAt(event.addresses)].join('\n')
    case 'progress':
      return `${event.digest} ${printBytes(event.bytes.origin + event.bytes.peers + event.bytes.stored)}`
    case 'done':
      return [`${event.digest} ${printTransfer(event)}`, ...event.peers.map(printShare)].join('\n')
    case 'inspected':
      return printInspected(event)
    case 'withheld':
      return `withheld from all peers: ${event.repository ?? event.digest}; ${event.advice}`
    case 'granted':
      return event.grant
    case 'issuer':
      return event.issuer
    case 'configured':
      return printConfigured(event)
    case 'error':
      return event.message
  }
}

/** Where the bytes of a transfer came from: `64.0 MiB in 2.1 s: …`. */
export function printTransfer({ bytes, peers, ms }: TransferStats): string {
  const from = peers.length === 1 ? '1 peer' : `${peers.length} peers`
  return (
    `${printBytes(bytes.total)} in ${printSeconds(ms)}: ${printBytes(bytes.origin)} from the origin, ` +
    `${printBytes(bytes.peers)} from ${from}, ${printBytes(bytes.stored)} already here`
  )
}

/** `1.5 MiB`; in powers of 1024. */
export function printBytes(bytes: number): string {
  const steps = ['KiB', 'MiB', 'GiB', 'TiB']
  let amount = bytes
  let unit = 'B'
  // Not 1024: what would be printed as 1024.0 belongs to the next unit.
  while (amount >= 1023.95 && steps.length > 0) {
    amount /= 1024
    unit = steps.shift() ?? unit
  }
  return `${unit === 'B' ? amount : amount.toFixed(1)} ${unit}`
}

/** `0.4 s`. */
function printSeconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`
}

function reachableAt(addresses: readonly string[]): string[] {
  return addresses.map((address) => `  ${address}`)
}

function printShare({ peerId, bytes, foundBy }: PeerShare): string {
  return `  ${printBytes(bytes).padStart(10)}  ${peerId}  found by ${foundBy.join(', ')}`
}

function printInspected(image: InspectedEvent): string {
  const layersBytes = image.layers.reduce((sum, layer) => sum + layer.size, 0)
  return [
    `reference  ${image.reference}`,
    `digest     ${image.digest}`,
    `manifest   ${printDescriptor(image.manifest)}`,
    `config     ${printDescriptor(image.config)}`,
    `platform   ${image.platform ?? 'unknown'}${image.platforms.length > 1 ? ` (of ${image.platforms.join(', ')})` : ''}`,
    `layers     ${image.layers.length}, ${printBytes(layersBytes)}`,
    ...image.layers.map((layer) => `           ${printDescriptor(layer)}`),
  ].join('\n')
}

function printConfigured({ engine, dryRun, files, notes }: ConfiguredEvent): string {
  const changes = files.map(({ path, change, diff }) => diff?.trimEnd() ?? `${change.padEnd(7)}  ${path}`)
  const summary = files.length > 0 ? [] : [`${engine}: nothing to change`]
  const end = dryRun && files.length > 0 ? ['nothing was written: --dry-run'] : []
  return [...changes, ...summary, ...notes.map((note) => `note: ${note}`), ...end].join('\n')
}

function printDescriptor({ digest, size, mediaType }: Descriptor): string {
  return `${digest}  ${printBytes(size).padStart(10)}  ${mediaType}`
}
