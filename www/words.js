/**
 * Bytes in the units that browsers and hubs show: 1 kB is 1000 bytes.
 * @param {number} bytes
 */
export function inBytes(bytes) {
  const units = ["bytes", "kB", "MB", "GB", "TB"];
  const power = bytes < 1000 ? 0 : Math.min(Math.floor(Math.log10(bytes) / 3), units.length - 1);
  const value = bytes / 1000 ** power;
  return `${power === 0 ? value : three(value)} ${units[power]}`;
}

/**
 * A duration, with as many digits as are of use.
 * @param {number} seconds
 */
export function inSeconds(seconds) {
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 60) return `${three(seconds)} s`;
  return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
}

/**
 * A count of numbers in a model.
 * @param {number} count
 */
export function inMillions(count) {
  return count >= 1e9 ? `${three(count / 1e9)} billion` : `${three(count / 1e6)} million`;
}

/**
 * A count and its noun.
 * @param {number} count
 * @param {string} one
 * @param {string} many
 */
export function counted(count, one, many = `${one}s`) {
  return `${count} ${count === 1 ? one : many}`;
}

/**
 * With three digits at most, because more would flicker.
 * @param {number} value
 */
export function three(value) {
  const digits = value >= 100 ? 0 : value >= 10 ? 1 : 2;
  return value.toFixed(digits);
}
