/**
 * Types of the platform for the package's declarations. A program that uses them may have these types from the
 * DOM's library, from Node's types, or not at all, and the declarations compile with all three.
 */

/** `AbortSignal`. */
export type AbortSignal = typeof globalThis extends { AbortSignal: { prototype: infer T } }
  ? T
  : {
      readonly aborted: boolean;
      readonly reason?: unknown;
      addEventListener(type: "abort", listener: () => void): void;
    };

/** `File`. */
export type File = typeof globalThis extends { File: { prototype: infer T } }
  ? T
  : { readonly name: string; readonly size: number; slice(start?: number, end?: number): unknown };

/** `URL`. */
export type URL = typeof globalThis extends { URL: { prototype: infer T } } ? T : { readonly href: string };

/** `fetch`. */
// biome-ignore lint/suspicious/noExplicitAny: a program that knows no fetch may give one of any kind
export type Fetch = typeof globalThis extends { fetch: infer T } ? T : (url: string, init?: any) => Promise<any>;

/** What `using` calls, where the program's library knows of it. */
export type Disposing = typeof globalThis extends { Symbol: { readonly dispose: infer S extends symbol } }
  ? { [K in S]: () => void }
  : // biome-ignore lint/complexity/noBannedTypes: a program that knows no such type gets one that anything fits
    {};
