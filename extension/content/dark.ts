/** Whether a page is dark around an answer. The page's colours decide, not the browser's own setting. */
import { own } from "./own.js";

/** Whether the first opaque background, from the element upwards, is dark. */
export function isDark(element: Element): boolean {
  for (let at: Element | null = element; at; at = own(at).parentElement) {
    const lightness = lightnessOf(getComputedStyle(at).backgroundColor);
    if (lightness !== undefined) return lightness < 0.5;
  }
  // Without any background, the browser's own canvas is visible.
  const scheme = getComputedStyle(document.documentElement).colorScheme;
  return /\bdark\b/.test(scheme) && (!/\blight\b/.test(scheme) || matchMedia("(prefers-color-scheme: dark)").matches);
}

/** The lightness of a computed colour, from 0 (black) to 1 (white); `undefined` if it is transparent. */
function lightnessOf(color: string): number | undefined {
  const name = color.slice(0, color.indexOf("("));
  const [main = "", alpha = "1"] = color.slice(name.length + 1, -1).split("/");
  const numbers = main.replaceAll(",", " ").trim().split(/\s+/);
  // Older forms have the alpha as a fourth number: rgba(0, 0, 0, 0).
  const opacity = numberOf(name.startsWith("rgb") ? (numbers[3] ?? alpha) : alpha, 1);
  if (color === "transparent" || !(opacity > 0.5)) return undefined;
  if (name.startsWith("rgb")) return luma(numbers.slice(0, 3).map((part) => numberOf(part, 255) / 255));
  if (name === "color") return luma(numbers.slice(1, 4).map((part) => numberOf(part, 1)));
  // oklch and oklab say lightness from 0 to 1, lch and lab from 0 to 100.
  return name.startsWith("ok") ? numberOf(numbers[0], 1) : numberOf(numbers[0], 100) / 100;
}

function luma([red = 0, green = 0, blue = 0]: number[]): number {
  return 0.299 * red + 0.587 * green + 0.114 * blue;
}

function numberOf(text = "1", whole: number): number {
  const number = Number.parseFloat(text);
  return text.trim().endsWith("%") ? (number / 100) * whole : number;
}
