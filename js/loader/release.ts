/**
 * Frees the memory of `bytes` at once. They must not be used afterwards. The garbage collector counts only the
 * small objects in front of such memory and would let hundreds of MiB pile up. It still frees what is part of a
 * larger buffer, and everything in browsers that lack `transfer`.
 */
export function release(bytes: Uint8Array): void {
  const { buffer } = bytes as { buffer: ArrayBufferLike & { transfer?(size: number): ArrayBuffer } };
  if (buffer instanceof ArrayBuffer && buffer.byteLength === bytes.byteLength) buffer.transfer?.(0);
}
