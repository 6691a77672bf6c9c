/**
 * Something that must not be seen: a password, a token, a key. Printing, logging, inspecting, cloning or serialising it shows
 * `[redacted]` or nothing; only {@link Secret.reveal} gives it away, and every call of that is where it leaves for its one reader.
 * @public
 */
export class Secret<Value = string> {
  readonly #value: Value

  constructor(value: Value) {
    this.#value = value
  }

  /** The secret itself. */
  reveal(): Value {
    return this.#value
  }

  /** A text that somebody else wrote, without this secret in it, should he have put it there. */
  hideIn(text: string): string {
    if (typeof this.#value !== 'string') return text
    // Of a header, its last word is the secret.
    const parts = [this.#value, this.#value.slice(this.#value.lastIndexOf(' ') + 1)]
    return parts.reduce(
      (hidden, part) =>
        part.length < minHiddenLength ? hidden : hidden.replaceAll(part, redacted),
      text,
    )
  }

  /** `[redacted]` */
  toString(): string {
    return redacted
  }

  /** `[redacted]` */
  toJSON(): string {
    return redacted
  }
}

const redacted = '[redacted]'
/** Shorter texts occur by chance; they are no secrets to speak of. */
const minHiddenLength = 4

// What Node's `inspect` calls, and with it `console.log`.
Object.defineProperty(Secret.prototype, Symbol.for('nodejs.util.inspect.custom'), {
  value: () => redacted,
})
