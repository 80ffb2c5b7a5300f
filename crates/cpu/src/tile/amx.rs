//! Tiles of bfloat16 by the matrix units of x86 (AMX), which Intel's servers have since 2023. Rust
//! has no stable name for these instructions, so the loop over a row of tiles is assembly.
//!
//! The instructions: Intel, *Architecture Instruction Set Extensions Programming Reference*,
//! chapter 3. Linux hands a process the registers when it asks for them (its documentation,
//! x86/xstate).

use std::arch::asm;
use std::arch::x86_64::__cpuid_count;
use std::env::consts::OS;
use std::marker::PhantomData;
use std::sync::OnceLock;

use crate::native::split::{self, Line, Panel, ROWS, Sums, Tile};

/// Says that this machine and process have the unit.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Amx(());

impl Amx {
    /// Asks for the unit, the first time.
    pub fn find() -> Option<Amx> {
        static FOUND: OnceLock<bool> = OnceLock::new();
        let there = || OS == "linux" && is_in_the_processor() && is_granted();
        FOUND.get_or_init(there).then_some(Amx(()))
    }

    /// The unit, ready for this thread's tiles until that is dropped.
    #[expect(unsafe_code, reason = "Rust has no function for the instruction")]
    pub fn ready(self) -> Ready {
        /// The shape of each of the eight registers.
        #[repr(C, align(64))]
        struct Shapes {
            palette: u8,
            start_row: u8,
            reserved: [u8; 14],
            bytes_of_row: [u16; 16],
            rows: [u8; 16],
        }
        let mut shapes = Shapes {
            palette: 1,
            start_row: 0,
            reserved: [0; 14],
            bytes_of_row: [0; 16],
            rows: [0; 16],
        };
        shapes.bytes_of_row[..8].fill(size_of::<Line>() as u16);
        shapes.rows[..8].fill(ROWS as u8);
        // SAFETY: `find` makes this only where the process has been granted the registers, and the 64
        // bytes are as the instruction reads them.
        unsafe { asm!("ldtilecfg [{}]", in(reg) &raw const shapes, options(nostack, readonly)) };
        Ready { stays: PhantomData }
    }
}

/// Whether the processor has tiles, their products of bfloat16, and the vectors that split numbers.
fn is_in_the_processor() -> bool {
    // The standard library detects the first two in unstable versions of Rust alone.
    let features = __cpuid_count(7, 0);
    let (bf16, tiles) = (features.edx & 1 << 22, features.edx & 1 << 24);
    bf16 != 0 && tiles != 0 && is_x86_feature_detected!("avx512bw")
}

/// Whether Linux lets this process have the registers, of 8 KiB a thread.
#[expect(unsafe_code, reason = "the standard library has no function for this call")]
fn is_granted() -> bool {
    const ARCH_PRCTL: isize = 158;
    const REQUEST_PERMISSION: usize = 0x1023;
    const TILE_DATA: usize = 18;
    let answer: isize;
    // SAFETY: the call reads and writes no memory of this process. It changes which registers the
    // process may use, and two more registers here, as all calls do.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") ARCH_PRCTL => answer,
            in("rdi") REQUEST_PERMISSION,
            in("rsi") TILE_DATA,
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack),
        );
    }
    answer == 0
}

/// The unit while its registers have their shapes, which a thread has for itself.
pub(crate) struct Ready {
    stays: PhantomData<*const ()>,
}

impl Drop for Ready {
    #[expect(unsafe_code, reason = "Rust has no function for the instruction")]
    fn drop(&mut self) {
        // SAFETY: this was made by `ready`, and no tile is needed any more.
        unsafe { asm!("tilerelease", options(nostack, nomem)) };
    }
}

impl Ready {
    /// As [`split::split_rows`].
    #[expect(unsafe_code, reason = "a function for instructions that not every machine has")]
    pub fn split_rows<'a>(&self, x: &[f32], width: usize, tiles: &'a mut Vec<Tile>) -> &'a [Tile] {
        #[target_feature(enable = "avx512bw")]
        fn by_wide_vectors<'a>(x: &[f32], width: usize, tiles: &'a mut Vec<Tile>) -> &'a [Tile] {
            split::split_rows(x, width, tiles)
        }
        // SAFETY: `Amx::find` has found AVX-512's BW.
        unsafe { by_wide_vectors(x, width, tiles) }
    }

    /// As [`split::store`].
    #[expect(unsafe_code, reason = "a function for instructions that not every machine has")]
    pub fn store(
        &self,
        sums: &[Sums; 2],
        bias: &[f32],
        first: usize,
        out: &mut [f32],
        outputs: usize,
    ) {
        #[target_feature(enable = "avx512bw")]
        fn by_wide_vectors(
            sums: &[Sums; 2],
            bias: &[f32],
            first: usize,
            out: &mut [f32],
            outputs: usize,
        ) {
            split::store(sums, bias, first, out, outputs);
        }
        // SAFETY: `Amx::find` has found AVX-512's BW.
        unsafe { by_wide_vectors(sums, bias, first, out, outputs) }
    }

    /// Into `sums` what two tiles of rows and a panel of columns add up to: products of the upper halves,
    /// and of each upper half and the other's lower one. Each tile and `panel` are `[blocks]`. What
    /// `coming` begins with, a quarter as long as `panel`, is fetched into a cache meanwhile.
    pub fn multiply(
        &self,
        [first, second]: [&[Tile]; 2],
        panel: &[Panel],
        coming: &[Panel],
        sums: &mut [Sums; 2],
    ) {
        let lengths = [first.len(), second.len(), panel.len()];
        assert!(lengths == [panel.len().max(1); 3], "tiles and a panel differ in their blocks");
        multiply(first, second, panel, coming, sums);
    }
}

/// A tile's rows are a line apart in memory.
const STRIDE: usize = size_of::<Line>();

/// Sums of a row are two lines.
const SUMS_STRIDE: usize = 2 * STRIDE;

/// Registers 0 to 3 are sums, 4 and 5 a half of the first and of the second rows, 6 and 7 a half of the left and
/// of the right columns. What is loaded next is not needed at once.
#[expect(unsafe_code, reason = "Rust has no functions for the instructions")]
fn multiply(
    first: &[Tile],
    second: &[Tile],
    panel: &[Panel],
    coming: &[Panel],
    sums: &mut [Sums; 2],
) {
    // SAFETY: the caller, `Ready`, has given the registers their shapes and seen to it that the slices have
    // `blocks` blocks, of 2 KiB for rows and of 4 KiB for the panel, all of which are read. `sums` has room
    // for the four tiles that are written. What is fetched into a cache need not exist.
    unsafe {
        asm!(
            "tilezero tmm0",
            "tilezero tmm1",
            "tilezero tmm2",
            "tilezero tmm3",
            "2:",
            "tileloadd tmm4, [{first} + {stride}*1]",
            "tileloadd tmm6, [{panel} + {stride}*1 + 1024]",
            "tileloadd tmm7, [{panel} + {stride}*1 + 3072]",
            "tdpbf16ps tmm0, tmm4, tmm6",
            "prefetcht1 [{coming} + 0]",
            "prefetcht1 [{coming} + 64]",
            "prefetcht1 [{coming} + 128]",
            "prefetcht1 [{coming} + 192]",
            "tileloadd tmm5, [{second} + {stride}*1]",
            "tdpbf16ps tmm1, tmm4, tmm7",
            "tdpbf16ps tmm2, tmm5, tmm6",
            "prefetcht1 [{coming} + 256]",
            "prefetcht1 [{coming} + 320]",
            "prefetcht1 [{coming} + 384]",
            "prefetcht1 [{coming} + 448]",
            "tileloadd tmm6, [{panel} + {stride}*1]",
            "tdpbf16ps tmm3, tmm5, tmm7",
            "tileloadd tmm7, [{panel} + {stride}*1 + 2048]",
            "tdpbf16ps tmm0, tmm4, tmm6",
            "tdpbf16ps tmm1, tmm4, tmm7",
            "prefetcht1 [{coming} + 512]",
            "prefetcht1 [{coming} + 576]",
            "prefetcht1 [{coming} + 640]",
            "prefetcht1 [{coming} + 704]",
            "tileloadd tmm4, [{first} + {stride}*1 + 1024]",
            "tdpbf16ps tmm2, tmm5, tmm6",
            "tdpbf16ps tmm3, tmm5, tmm7",
            "tileloadd tmm5, [{second} + {stride}*1 + 1024]",
            "tdpbf16ps tmm0, tmm4, tmm6",
            "tdpbf16ps tmm1, tmm4, tmm7",
            "tdpbf16ps tmm2, tmm5, tmm6",
            "tdpbf16ps tmm3, tmm5, tmm7",
            "prefetcht1 [{coming} + 768]",
            "prefetcht1 [{coming} + 832]",
            "prefetcht1 [{coming} + 896]",
            "prefetcht1 [{coming} + 960]",
            "add {first}, 2048",
            "add {second}, 2048",
            "add {panel}, 4096",
            "add {coming}, 1024",
            "dec {blocks}",
            "jnz 2b",
            "tilestored [{sums} + {sums_stride}*1], tmm0",
            "tilestored [{sums} + {sums_stride}*1 + 64], tmm1",
            "tilestored [{sums} + {sums_stride}*1 + 2048], tmm2",
            "tilestored [{sums} + {sums_stride}*1 + 2112], tmm3",
            first = inout(reg) first.as_ptr() => _,
            second = inout(reg) second.as_ptr() => _,
            panel = inout(reg) panel.as_ptr() => _,
            coming = inout(reg) coming.as_ptr() => _,
            blocks = inout(reg) panel.len() => _,
            sums = in(reg) sums.as_mut_ptr(),
            stride = in(reg) STRIDE,
            sums_stride = in(reg) SUMS_STRIDE,
            options(nostack),
        );
    }
}
