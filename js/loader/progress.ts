/** How far the download of one file is. */
export interface FileProgress {
  file: string;
  /** Bytes that are here. */
  bytes: number;
  /** Bytes of the file. */
  total: number;
}

/** Milliseconds between two reports of a file. */
const INTERVAL = 100;

/** Counts the bytes of one file and reports them, not too often, never backwards. */
export class Progress {
  #most = -1;
  #told = -Infinity;

  constructor(
    readonly file: string,
    readonly total: number,
    readonly report: ((progress: FileProgress) => void) | undefined,
  ) {}

  /** So many bytes are here. */
  at(bytes: number): void {
    const now = performance.now();
    if (bytes <= this.#most || (bytes < this.total && now - this.#told < INTERVAL)) return;
    this.#most = bytes;
    this.#told = now;
    this.report?.({ file: this.file, bytes, total: this.total });
  }
}
