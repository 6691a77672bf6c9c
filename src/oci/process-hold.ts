import { MessageChannel } from 'node:worker_threads'

/**
 * Keeps the process alive until the returned function is called. While a request is under way its socket does that; a
 * pause before the next one has only a timer of the clock, and those let a process end.
 */
export function holdProcess(): () => void {
  const { port1 } = new MessageChannel()
  port1.ref()
  return () => port1.close()
}
