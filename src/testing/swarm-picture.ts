import { RequestError } from '../core/errors.ts'

/**
 * A swarm drawn as strings, one character per piece.
 * @public
 */
export interface SwarmDrawing {
  /** Our own pieces: `*` is here, `o` is here and came from the origin, a space or dot is missing. Without it, nothing is here. */
  readonly have?: string | undefined
  /**
   * How many peers have each piece, in digits (`'2213'`); or one row per peer: `*` it has the piece, `f` it fetches the piece from
   * the origin, a space or dot it has nothing.
   */
  readonly peers?: string | readonly string[] | undefined
}

/**
 * What one peer of a drawn swarm has and does.
 * @public
 */
export interface PicturedPeer {
  /** Indexes of its pieces, growing. */
  readonly has: readonly number[]
  /** Consecutive pieces `[first, first + count)` that it fetches from the origin. */
  readonly fetching: readonly { readonly first: number; readonly count: number }[]
}

/**
 * A drawn swarm as data.
 * @public
 */
export interface SwarmPicture {
  readonly pieceCount: number
  /** Indexes of the pieces that are here, growing. */
  readonly have: readonly number[]
  /** Those of them that came from the origin. */
  readonly fromOrigin: readonly number[]
  /** The first peer has the most pieces when the drawing counts them. */
  readonly peers: readonly PicturedPeer[]
}

/**
 * Reads a drawn swarm.
 *
 * @throws RequestError `ERR_REQUEST_OPTION` when a row has another length than the others, or a mark that means nothing
 * @example
 * ```ts
 * import { swarmPicture } from 'damselfly/testing'
 *
 * const { have, peers } = swarmPicture({ have: '*   ', peers: ['**  ', '*** ', ' *ff'] })
 * ```
 * @public
 */
export function swarmPicture(drawing: SwarmDrawing): SwarmPicture {
  const { peers = [] } = drawing
  const pieceCount = (drawing.have ?? (typeof peers === 'string' ? peers : peers[0]) ?? '').length
  const have = drawing.have ?? ' '.repeat(pieceCount)
  checkRow('have', have, pieceCount, /^[*o .]*$/)
  if (typeof peers === 'string') checkRow('peers', peers, pieceCount, /^[0-9]*$/)
  const rows = typeof peers === 'string' ? rowsOfCounts(peers) : peers
  for (const [index, row] of rows.entries()) checkRow(`peers[${index}]`, row, pieceCount, /^[*f .]*$/)
  return {
    pieceCount,
    have: marked(have, '*o'),
    fromOrigin: marked(have, 'o'),
    peers: rows.map((row) => ({ has: marked(row, '*'), fetching: runsOf(marked(row, 'f')) })),
  }
}

/**
 * Draws pieces the way {@link swarmPicture} reads them, so that a test can compare strings.
 * @public
 */
export function drawPieces(pieces: Iterable<number>, pieceCount: number): string {
  const here = new Set(pieces)
  return Array.from({ length: pieceCount }, (_, piece) => (here.has(piece) ? '*' : ' ')).join('')
}

function rowsOfCounts(counts: string): string[] {
  const most = Math.max(0, ...Array.from(counts, Number))
  return Array.from({ length: most }, (_, peer) => counts.replace(/\d/g, (count) => (Number(count) > peer ? '*' : ' ')))
}

function marked(row: string, marks: string): number[] {
  return Array.from(row).flatMap((mark, piece) => (marks.includes(mark) ? [piece] : []))
}

function runsOf(pieces: readonly number[]): { first: number; count: number }[] {
  const runs: { first: number; count: number }[] = []
  for (const piece of pieces) {
    const last = runs.at(-1)
    if (last && last.first + last.count === piece) last.count++
    else runs.push({ first: piece, count: 1 })
  }
  return runs
}

function checkRow(name: string, row: string, pieceCount: number, marks: RegExp): void {
  if (row.length === pieceCount && marks.test(row)) return
  throw new RequestError(
    'ERR_REQUEST_OPTION',
    `${name} is ${JSON.stringify(row)}: draw ${pieceCount} pieces, with the marks ${marks.source.slice(2, -3)}`,
  )
}
