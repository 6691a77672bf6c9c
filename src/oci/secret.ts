/**
 * Text that must not be seen. Printing, logging, inspecting or serialising it shows `[redacted]`; only
 * {@link Secret.reveal} gives it away, and every call of that is where it leaves for its one reader.
 */
export class Secret {
  readonly #text: string

  constructor(text: string) {
    this.#text = text
  }

  reveal(): string {
    return this.#text
  }

  /** A text that somebody else wrote, without this secret in it, should he have put it there. */
  hideIn(text: string): string {
    // Of a header, its last word is the secret.
    const parts = [this.#text, this.#text.slice(this.#text.lastIndexOf(' ') + 1)]
    return parts.reduce(
      (hidden, part) =>
        part.length < minHiddenLength ? hidden : hidden.replaceAll(part, redacted),
      text,
    )
  }

  toString(): string {
    return redacted
  }

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
