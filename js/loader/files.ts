/** One file of a model, read by position. */
export interface ModelFile {
  /** Its name, for messages. */
  readonly name: string;
  /** Its size in bytes. */
  readonly size: number;
  /** Exactly the bytes from `start` to before `end`, or a `CappyError` that names this file. */
  read(start: number, end: number): Promise<Uint8Array>;
}

/** A folder with a model's files in it, wherever that is. */
export interface ModelFiles {
  /** What to call the folder in messages: a hub id, an address. */
  readonly description: string;
  /** The file of this name; `null` where the folder has none. Reads nothing but its size. */
  open(name: string): Promise<ModelFile | null>;
}
