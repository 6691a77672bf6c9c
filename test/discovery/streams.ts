/** A stream that fails at once. */
export function failingStream(error: Error = new RangeError('no')): AsyncIterable<never> {
  return { [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(error) }) }
}

/** A stream from which nothing ever comes, whatever its signal says. */
export function stuckStream(): AsyncIterable<never> {
  return { [Symbol.asyncIterator]: () => ({ next: () => new Promise<never>(() => {}) }) }
}
