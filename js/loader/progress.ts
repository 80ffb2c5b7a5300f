/** How far the download of one file is. */
export interface FileProgress {
  file: string;
  /** Bytes that have arrived or were cached. */
  bytes: number;
  /** Bytes of the file. */
  total: number;
}

/** Milliseconds between two reports of a file. */
const INTERVAL = 100;

/** Reports how many bytes of one file there are: never fewer than before, and not too often. */
export class Progress {
  #most = -1;
  #lastReport = -Infinity;

  constructor(
    readonly file: string,
    readonly total: number,
    readonly report: ((progress: FileProgress) => void) | undefined,
  ) {}

  /** Notes that so many bytes have arrived. */
  at(bytes: number): void {
    const now = performance.now();
    if (bytes <= this.#most || (bytes < this.total && now - this.#lastReport < INTERVAL)) return;
    this.#most = bytes;
    this.#lastReport = now;
    this.report?.({ file: this.file, bytes, total: this.total });
  }
}
