// What `build.mjs` puts in.

/** The colours of `www/palette.css` by their names, such as `--accent`. */
declare const PALETTE: {
  readonly light: Readonly<Record<string, string>>;
  readonly dark: Readonly<Record<string, string>>;
};

/** Bytes of the files of the model that comes with the extension. */
declare const OWN_MODEL_BYTES: number;
