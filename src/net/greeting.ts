import type { Clock } from '../core/clock.ts'
import type { PeerError } from '../core/errors.ts'
import type { ControlMessage, Hello } from '../wire/messages.ts'
import { limits, protocolVersion } from '../wire/protocol.ts'
import { violation } from '../wire/violation.ts'
import { ControlChannel, type ControlReceiver } from './control-channel.ts'
import type { Libp2pStream } from './libp2p-types.ts'
import { unreachable } from './peer-errors.ts'
import type { PeerLink } from './peer-link.ts'
import { hasEnded } from './stream-facts.ts'

/** What a greeting begins with. */
export interface GreetingInit {
  readonly clock: Clock
  /** What we say of ourselves. */
  hello(): Hello
  /** Whether what waits for all peers together is too much. */
  isCrowded(): boolean
  /** Both said hello: makes the link, which takes the channel over before the next message; throws to refuse. */
  open(greeting: Greeting, control: ControlChannel, hello: Hello): PeerLink
}

/** A control stream on its way to become a link: opened, hello sent, hello read. It has 10 s in all. */
export class Greeting implements ControlReceiver {
  /** The link; rejects with a {@link PeerError} when there will be none. */
  readonly done: Promise<PeerLink>
  readonly #init: GreetingInit
  readonly #controller = new AbortController()
  readonly #settle: { resolve: (link: PeerLink) => void; reject: (error: PeerError) => void }
  readonly #cancelTimer: () => void
  #stream: Libp2pStream | undefined
  #control: ControlChannel | undefined
  #settled = false

  constructor(init: GreetingInit) {
    this.#init = init
    const { promise, resolve, reject } = Promise.withResolvers<PeerLink>()
    this.done = promise
    this.done.catch(() => {})
    this.#settle = { resolve, reject }
    this.#cancelTimer = init.clock.after(limits.greetingMs, () =>
      this.fail(unreachable(`the peer did not greet within ${limits.greetingMs / 1000} s`)),
    )
  }

  /** Aborted when the greeting failed. */
  get signal(): AbortSignal {
    return this.#controller.signal
  }

  /** Takes the stream, and leaves it alone until {@link Greeting.start}. */
  hold(stream: Libp2pStream): void {
    this.#stream = stream
    if (this.#settled) stream.abort(unreachable('the link is not needed any more'))
  }

  /** Says hello. */
  start(): void {
    if (this.#settled || this.#control || !this.#stream) return
    if (hasEnded(this.#stream)) return this.closed(undefined)
    this.#control = new ControlChannel(this.#stream, this, () => this.#init.isCrowded())
    this.#control.send(this.#init.hello())
  }

  fail(error: PeerError): void {
    if (this.#settled) return
    this.#end()
    this.#controller.abort(error)
    if (this.#control) this.#control.close(error)
    else this.#stream?.abort(error)
    this.#settle.reject(error)
  }

  message(message: ControlMessage): void {
    const control = this.#control
    if (this.#settled || !control) return
    if (message.type !== 'hello') return this.fail(violation('it did not say hello first'))
    if (message.version !== protocolVersion) {
      return this.fail(violation(`it speaks version ${message.version}, not ${protocolVersion}`))
    }
    const link = this.#init.open(this, control, message)
    this.#end()
    this.#settle.resolve(link)
  }

  closed(error: PeerError | undefined): void {
    this.fail(error ?? unreachable('the peer ended the link before it was open'))
  }

  #end(): void {
    this.#settled = true
    this.#cancelTimer()
  }
}
