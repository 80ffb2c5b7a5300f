/** The colours of `www/palette.css` by their names, such as `--accent`. `build.mjs` puts them in. */
declare const PALETTE: {
  readonly light: Readonly<Record<string, string>>;
  readonly dark: Readonly<Record<string, string>>;
};
