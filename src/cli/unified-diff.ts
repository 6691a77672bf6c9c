const contextLines = 3

/**
 * How a text changes, as `diff -u` shows it: one hunk, from the first line that differs to the last one.
 * @param before - `undefined` where there is no file
 * @param after - `undefined` where none is to be
 */
export function unifiedDiff(path: string, before: string | undefined, after: string | undefined): string {
  const [old, now] = [linesOf(before), linesOf(after)]
  let same = 0
  while (same < Math.min(old.length, now.length) && old[same] === now[same]) same++
  let sameAtEnd = 0
  while (sameAtEnd < Math.min(old.length, now.length) - same && old.at(-1 - sameAtEnd) === now.at(-1 - sameAtEnd)) sameAtEnd++
  const from = Math.max(same - contextLines, 0)
  const behind = Math.max(sameAtEnd - contextLines, 0)
  const lines = [
    ...old.slice(from, same).map((line) => ` ${line}`),
    ...old.slice(same, old.length - sameAtEnd).map((line) => `-${line}`),
    ...now.slice(same, now.length - sameAtEnd).map((line) => `+${line}`),
    ...old.slice(old.length - sameAtEnd, old.length - behind).map((line) => ` ${line}`),
  ]
  const head = [
    `--- ${before === undefined ? '/dev/null' : path}\n`,
    `+++ ${after === undefined ? '/dev/null' : path}\n`,
    `@@ -${span(from, old.length - behind - from)} +${span(from, now.length - behind - from)} @@\n`,
  ]
  return [...head, ...lines.map((line) => (line.endsWith('\n') ? line : `${line}\n\\ No newline at end of file\n`))].join('')
}

/** Lines with their ends. */
function linesOf(text: string | undefined): string[] {
  return text?.match(/[^\n]*\n|[^\n]+$/g) ?? []
}

/** First line and count, as hunks have them: an empty span is named by the line before it. */
function span(from: number, count: number): string {
  return `${count === 0 ? from : from + 1},${count}`
}
