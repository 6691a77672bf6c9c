import { printMs, printRate, printSize } from './quantities.ts'
import type { SimOptions } from './sim-options.ts'
import type { SimResult } from './sim-result.ts'

const width = 860
const height = 480
const area = { left: 64, top: 72, right: width - 28, bottom: height - 58 }
/** As many steps as can be told apart. */
const maxSteps = 400
const ink = '#1f2933'
const faint = '#cbd2d9'
const colours = { swarm: '#0b7285', bound: '#2f9e44', native: '#c92a2a' }

/** Completion over time as a picture: which part of the nodes has the whole blob, the bound, and the native time if it is near. */
export function plot(options: SimOptions, result: SimResult): string {
  const lastMs = Math.max(result.timesMs.at(-1) ?? 0, result.lowerBoundMs)
  const nativeFits = result.nativeMs <= 3 * lastMs
  const spanMs = 1.06 * (nativeFits ? Math.max(lastMs, result.nativeMs) : lastMs)
  const step = niceStep(spanMs)
  const endMs = Math.ceil(spanMs / step) * step
  const x = (ms: number): number => area.left + ((area.right - area.left) * ms) / endMs
  const y = (part: number): number => area.bottom - (area.bottom - area.top) * part
  const native = `native: ${printMs(result.nativeMs)}`
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="system-ui, sans-serif" font-size="12" fill="${ink}">`,
    `<rect width="${width}" height="${height}" fill="#fff"/>`,
    text(area.left, 28, `${options.nodes} nodes load ${printSize(options.size)}`, 'font-size="17" font-weight="600"'),
    text(area.left, 48, `origin ${printRate(options.origin)}, links ${printRate(options.link)}, all started within ${printMs(options.startWithin)}`, 'fill="#52606d"'),
    ...[0, 0.25, 0.5, 0.75, 1].flatMap((part) => [
      `<line x1="${area.left}" y1="${at(y(part))}" x2="${area.right}" y2="${at(y(part))}" stroke="${faint}" stroke-width="${part === 0 ? 1.2 : 0.6}"/>`,
      text(area.left - 10, y(part) + 4, `${part * 100} %`, 'text-anchor="end"'),
    ]),
    ...ticks(endMs, step).flatMap((ms) => [
      `<line x1="${at(x(ms))}" y1="${area.bottom}" x2="${at(x(ms))}" y2="${area.bottom + 5}" stroke="${ink}"/>`,
      text(x(ms), area.bottom + 20, seconds(ms, step), 'text-anchor="middle"'),
    ]),
    text((area.left + area.right) / 2, height - 14, 'seconds since each node started', 'text-anchor="middle" fill="#52606d"'),
    ...mark(x(result.lowerBoundMs), `lower bound: ${printMs(result.lowerBoundMs)}`, colours.bound, 'end'),
    ...(nativeFits ? mark(x(result.nativeMs), native, colours.native, 'end') : [
      text(area.right, area.top - 8, `${native}, ${(result.nativeMs / endMs).toFixed(0)} times as far to the right →`, `text-anchor="end" fill="${colours.native}"`),
    ]),
    `<path d="${curve(options, result, x, y, endMs)}" fill="none" stroke="${colours.swarm}" stroke-width="2.4" stroke-linejoin="round"/>`,
    ...point(x, y, options, result, 0.5, 'median'),
    ...point(x, y, options, result, 0.99, '99 %'),
    '</svg>',
    '',
  ].join('\n')
}

function curve(
  { nodes }: SimOptions,
  { timesMs, died }: SimResult,
  x: (ms: number) => number,
  y: (part: number) => number,
  endMs: number,
): string {
  const living = nodes - died
  const every = Math.max(1, Math.floor(timesMs.length / maxSteps))
  let path = `M${at(x(0))} ${at(y(0))}`
  for (let index = 0; index < timesMs.length; index += every) {
    path += ` H${at(x(timesMs[index] ?? 0))} V${at(y((index + 1) / living))}`
  }
  path += ` H${at(x(timesMs.at(-1) ?? 0))} V${at(y(timesMs.length / living))} H${at(x(endMs))}`
  return path
}

function point(
  x: (ms: number) => number,
  y: (part: number) => number,
  { nodes }: SimOptions,
  { timesMs, died }: SimResult,
  part: number,
  name: string,
): string[] {
  const ms = timesMs[Math.ceil(part * (nodes - died)) - 1]
  if (ms === undefined) return []
  return [
    `<circle cx="${at(x(ms))}" cy="${at(y(part))}" r="3.6" fill="#fff" stroke="${colours.swarm}" stroke-width="2"/>`,
    text(x(ms) - 9, y(part) + (part > 0.9 ? 16 : 4), `${name}: ${printMs(ms)}`, `text-anchor="end" fill="${colours.swarm}"`),
  ]
}

function mark(x: number, label: string, colour: string, anchor: 'start' | 'end'): string[] {
  return [
    `<line x1="${at(x)}" y1="${area.top}" x2="${at(x)}" y2="${area.bottom}" stroke="${colour}" stroke-width="1.2" stroke-dasharray="5 4"/>`,
    text(x + (anchor === 'end' ? -7 : 7), area.bottom - 10, label, `text-anchor="${anchor}" fill="${colour}"`),
  ]
}

function ticks(endMs: number, step: number): number[] {
  return Array.from({ length: Math.round(endMs / step) + 1 }, (_, index) => index * step)
}

/** 1, 2 or 5 times a power of ten, so that there are five to ten steps. */
function niceStep(spanMs: number): number {
  const power = 10 ** Math.floor(Math.log10(spanMs / 5))
  return [1, 2, 5, 10].map((factor) => factor * power).findLast((step) => spanMs / step >= 5) ?? power
}

function seconds(ms: number, step: number): string {
  return (ms / 1000).toFixed(step >= 1000 ? 0 : Math.max(0, 3 - Math.floor(Math.log10(step))))
}

function text(x: number, y: number, content: string, attributes: string): string {
  const escaped = content.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
  // A white rim keeps text legible where lines cross it.
  return `<text paint-order="stroke" stroke="#fff" stroke-width="3" stroke-linejoin="round" x="${at(x)}" y="${at(y)}" ${attributes}>${escaped}</text>`
}

function at(coordinate: number): string {
  return String(Math.round(coordinate * 10) / 10)
}
