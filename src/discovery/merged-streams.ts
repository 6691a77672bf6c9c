import { abortable } from '../core/abortable.ts'

/**
 * The items of several streams as they come. Leaving it, or its failure, ends all of them.
 * @throws what the first failing stream throws, or `signal.reason`
 */
export async function* mergedStreams<T>(
  streams: readonly AsyncIterable<T>[],
  signal?: AbortSignal,
): AsyncGenerator<T, void, undefined> {
  const iterators = streams.map((stream) => stream[Symbol.asyncIterator]())
  const pull = (iterator: AsyncIterator<T>) => {
    const next = iterator.next().then((result) => ({ iterator, result }))
    // It may fail while the reader is busy with another item, when nobody waits for it.
    next.catch(() => {})
    return next
  }
  const pending = new Map(iterators.map((iterator) => [iterator, pull(iterator)]))
  try {
    while (pending.size > 0) {
      const { iterator, result } = await abortable(Promise.race(pending.values()), signal)
      if (result.done) {
        pending.delete(iterator)
      } else {
        pending.set(iterator, pull(iterator))
        yield result.value
      }
    }
  } finally {
    // A generator that waits for something ends only after that: it is told to, and not waited for.
    for (const iterator of pending.keys()) iterator.return?.().catch(() => {})
  }
}
