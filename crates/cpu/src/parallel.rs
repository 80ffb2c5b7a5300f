//! Work shared among threads: natively by rayon, in WebAssembly by nobody.

/// Threads that [`chunks`] uses.
pub(super) fn threads() -> usize {
    #[cfg(not(target_arch = "wasm32"))]
    return rayon::current_num_threads();
    #[cfg(target_arch = "wasm32")]
    return 1;
}

/// Calls `work` with the number and the numbers of each run of `size` of `out`; the last may be
/// shorter.
pub(super) fn chunks(out: &mut [f32], size: usize, work: impl Fn(usize, &mut [f32]) + Sync) {
    #[cfg(not(target_arch = "wasm32"))]
    {
        use rayon::prelude::*;
        out.par_chunks_mut(size).enumerate().for_each(|(index, chunk)| work(index, chunk));
    }
    #[cfg(target_arch = "wasm32")]
    out.chunks_mut(size).enumerate().for_each(|(index, chunk)| work(index, chunk));
}
