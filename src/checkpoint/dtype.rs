//! The number formats that weights are stored in.

use std::fmt;

use half::prelude::*;

/// The format of a tensor's numbers in its file, always little-endian.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dtype {
    /// IEEE 754 double precision, rounded to single where it is read.
    F64,
    /// IEEE 754 single precision.
    F32,
    /// IEEE 754 half precision.
    F16,
    /// The upper half of an f32.
    BF16,
}

impl Dtype {
    /// Bytes a number.
    pub fn size(self) -> usize {
        match self {
            Dtype::F64 => 8,
            Dtype::F32 => 4,
            Dtype::F16 | Dtype::BF16 => 2,
        }
    }

    /// Appends the numbers in `bytes`, whose length is a multiple of [`size`](Self::size).
    pub(super) fn append_f32(self, bytes: &[u8], out: &mut Vec<f32>) {
        // Small blocks on the stack, because `bytes` need not be aligned for two-byte numbers.
        const BLOCK: usize = 2048;
        out.reserve(bytes.len() / self.size());
        match self {
            Dtype::F64 => {
                let (numbers, _) = bytes.as_chunks::<8>();
                out.extend(numbers.iter().map(|number| f64::from_le_bytes(*number) as f32));
            }
            Dtype::F32 => {
                let (numbers, _) = bytes.as_chunks::<4>();
                out.extend(numbers.iter().map(|number| f32::from_le_bytes(*number)));
            }
            Dtype::F16 => {
                let mut block = [f16::ZERO; BLOCK];
                for numbers in bytes.as_chunks::<2>().0.chunks(BLOCK) {
                    let start = out.len();
                    out.resize(start + numbers.len(), 0.0);
                    for (half, number) in block.iter_mut().zip(numbers) {
                        *half = f16::from_le_bytes(*number);
                    }
                    block[..numbers.len()].convert_to_f32_slice(&mut out[start..]);
                }
            }
            Dtype::BF16 => {
                let mut block = [bf16::ZERO; BLOCK];
                for numbers in bytes.as_chunks::<2>().0.chunks(BLOCK) {
                    let start = out.len();
                    out.resize(start + numbers.len(), 0.0);
                    for (half, number) in block.iter_mut().zip(numbers) {
                        *half = bf16::from_le_bytes(*number);
                    }
                    block[..numbers.len()].convert_to_f32_slice(&mut out[start..]);
                }
            }
        }
    }
}

impl fmt::Display for Dtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Dtype::F64 => "f64",
            Dtype::F32 => "f32",
            Dtype::F16 => "f16",
            Dtype::BF16 => "bf16",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(dtype: Dtype, bytes: &[u8]) -> Vec<f32> {
        let mut out = vec![7.0];
        dtype.append_f32(bytes, &mut out);
        assert_eq!(out.remove(0), 7.0);
        out
    }

    #[test]
    fn known_bits() {
        assert_eq!(read(Dtype::F32, &[0, 0, 0x80, 0x3f, 0, 0, 0, 0x80]), [1.0, -0.0]);
        let doubles = [0.1, -2.0, 1e300, f64::NAN].map(f64::to_le_bytes).concat();
        let [tenth, two, large, nan] = read(Dtype::F64, &doubles)[..] else { panic!("four") };
        assert_eq!((tenth, two, large, nan.is_nan()), (0.1, -2.0, f32::INFINITY, true));
        // Smallest subnormal, largest finite number, and a negative one.
        let halves = [0x01, 0x00, 0xff, 0x7b, 0x00, 0xc0];
        assert_eq!(read(Dtype::F16, &halves), [f32::powi(2.0, -24), 65504.0, -2.0]);
        assert_eq!(read(Dtype::BF16, &[0x80, 0x3f, 0x49, 0xc0]), [1.0, -3.140625]);
    }

    #[test]
    fn every_half_in_blocks_and_unaligned() {
        let mut bytes = vec![0];
        bytes.extend((0..=u16::MAX).flat_map(u16::to_le_bytes));
        for (bits, value) in (0..=u16::MAX).zip(read(Dtype::F16, &bytes[1..])) {
            let expected = f16::from_bits(bits).to_f32();
            assert!(value == expected || value.is_nan() && expected.is_nan(), "{bits:#x}");
        }
        for (bits, value) in (0..=u16::MAX).zip(read(Dtype::BF16, &bytes[1..])) {
            let expected = f32::from_bits(u32::from(bits) << 16);
            assert!(value == expected || value.is_nan() && expected.is_nan(), "{bits:#x}");
        }
    }
}
