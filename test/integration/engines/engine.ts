/** Where an engine pulls from, and where it keeps everything of its own. */
export interface EngineInit {
  /** Empty. */
  readonly directory: string
  /** `127.0.0.1:5001` */
  readonly mirror: string
  /** Where the registry answers, or did. */
  readonly registry: string
}

/** A container engine that believes {@link registryName} to be a registry, and the mirror to be its mirror. */
export interface Engine extends AsyncDisposable {
  /**
   * Rejects when the engine says that it failed.
   * @param reference - without its registry: `test/app:v1`
   */
  pull(reference: string): Promise<void>
  /** Digests by which it calls what it pulled: of manifest, index or config, as it likes. */
  digestsOf(reference: string): Promise<readonly string[]>
  /** What `echo` says in a container of the image; left out where the engine runs none. */
  echo?(reference: string, word: string): Promise<string>
}

/** What images are called; no such host exists. */
export const registryName = 'reg.example.test'
