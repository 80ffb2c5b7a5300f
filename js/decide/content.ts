/** A state or a description, written as the text that a model reads; the same as `src/decide/content.rs` writes. */

import { CappyError } from "../error.js";

/** A text, or JSON. */
export type Content = string | number | boolean | null | readonly Content[] | { readonly [key: string]: Content };

/**
 * A line of `key: value` for each field and of `- value` for each entry of a list. What is inside of another one
 * stands below it, with two more spaces before it.
 *
 * @throws CappyError `input` naming what is neither a text nor JSON
 */
export function textOf(content: unknown, at: string): string {
  return short(content, at) ?? lines(content as object, at, "").join("\n");
}

/** The text on one line, if it is no more than that. */
function short(content: unknown, at: string): string | undefined {
  if (typeof content === "string") return content;
  if (content === null || typeof content === "boolean") return String(content);
  if (typeof content === "number" && Number.isFinite(content)) return String(content);
  if (Array.isArray(content)) return content.length ? undefined : "[]";
  if (isPlain(content)) return Object.keys(content).length ? undefined : "{}";
  throw new CappyError("input", at, "is neither a text nor JSON");
}

function lines(content: object, at: string, indent: string): string[] {
  const entries: [string, unknown][] = Array.isArray(content)
    ? Array.from(content, (value) => ["-", value])
    : Object.entries(content)
        .filter(([, value]) => value !== undefined)
        .map(([key, value]) => [`${key}:`, value]);
  return entries.flatMap(([mark, value]) => {
    const text = short(value, at);
    if (text !== undefined) return [`${indent}${mark} ${text}`];
    return [`${indent}${mark}`, ...lines(value as object, at, `${indent}  `)];
  });
}

function isPlain(value: unknown): value is object {
  return typeof value === "object" && value !== null && [Object.prototype, null].includes(Object.getPrototypeOf(value));
}
