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

  toString(): string {
    return redacted
  }

  toJSON(): string {
    return redacted
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return redacted
  }
}

const redacted = '[redacted]'
