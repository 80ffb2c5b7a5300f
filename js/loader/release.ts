/**
 * Gives the memory of `bytes` back at once; nobody may use them afterwards. The garbage collector
 * sees small objects and would let hundreds of MiB behind them pile up. Parts of larger buffers,
 * and browsers that cannot do it, are left to it.
 */
export function release(bytes: Uint8Array): void {
  const { buffer } = bytes as { buffer: ArrayBufferLike & { transfer?(size: number): ArrayBuffer } };
  if (buffer instanceof ArrayBuffer && buffer.byteLength === bytes.byteLength) buffer.transfer?.(0);
}
