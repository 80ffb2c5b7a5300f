//! Quantised matrices in a file: a tensor of integers, and beside it one of scales.
//!
//! | of `X.weight`, `[outputs, inputs]` | shape | of |
//! | --- | --- | --- |
//! | `X.weight` in q8 | `[outputs, inputs]` | I8 |
//! | `X.weight` in q4 | `[outputs, inputs / 2]`, inputs even | U8: two integers of 4 bits in two's complement, the first in the lower bits |
//! | `X.weight.scales` | `[outputs, ceil(inputs / 32)]` of q8, `/ 64` of q4, or `[outputs, 1]` where a row shares one scale | F16 |

use std::collections::BTreeMap;
use std::ops::Range;

use half::f16;

use super::Held;
use super::dtype::Dtype;
use super::quantised::{Quantised, WeightFormat};
use super::source::ByteSource;
use super::view::{Element, View};
use crate::error::{Error, ErrorKind, Result};

/// What the name of the scales ends in.
pub(super) const SCALES: &str = ".scales";

/// Where the integers and scales of a quantised matrix are.
pub(super) struct QuantisedView {
    pub(super) format: WeightFormat,
    /// `[outputs, inputs]`.
    pub(super) shape: Vec<usize>,
    /// Inputs that share a scale.
    pub(super) block: usize,
    pub(super) integers: View,
    scales: View,
}

impl QuantisedView {
    fn new(name: &str, integers: View, scales: View) -> Result<QuantisedView> {
        let refuse = |what: String| Err(Error::new(ErrorKind::Checkpoint, name, what));
        let (format, a_byte) = match integers.element {
            Element::Integers("I8") => (WeightFormat::Q8, 1),
            Element::Integers("U8") => (WeightFormat::Q4, 2),
            _ => return refuse(format!("has scales and is made of {}", integers.element)),
        };
        let (&[outputs, width], &[rows, blocks]) = (&integers.shape[..], &scales.shape[..]) else {
            return refuse("is quantised and no matrix".into());
        };
        let inputs = width.saturating_mul(a_byte);
        let of_rows = inputs.div_ceil(format.block());
        let block = if blocks == of_rows { format.block() } else { inputs };
        let fits = rows == outputs && (blocks == of_rows || blocks == 1) && inputs > 0;
        if !fits || !matches!(scales.element, Element::Float(Dtype::F16)) {
            let shape = &scales.shape;
            return refuse(format!(
                "has scales of {} in {shape:?}, expected f16 in [{outputs}, {of_rows}] or [{outputs}, 1]",
                scales.element
            ));
        }
        Ok(QuantisedView { format, shape: vec![outputs, inputs], block, integers, scales })
    }

    /// The file that the scales are in.
    pub(super) fn scales_file(&self) -> usize {
        self.scales.file
    }

    /// All scales, row after row.
    pub(super) async fn scales(&self, name: &str, source: &dyn ByteSource) -> Result<Vec<f16>> {
        let mut scales = Vec::new();
        let rows = 0..self.shape[0];
        self.scales.append_rows(source, Dtype::F16, rows, &mut scales).await?;
        if let Some(bad) = scales.iter().position(|scale| !scale.is_finite()) {
            let what = format!("has the scale {} at {bad}", scales[bad]);
            return Err(Error::new(ErrorKind::Checkpoint, name, what));
        }
        Ok(scales.into_iter().map(f16::from_f32).collect())
    }

    /// `rows`, given all scales.
    pub(super) async fn rows(
        &self,
        name: &str,
        source: &dyn ByteSource,
        scales: &[f16],
        rows: Range<usize>,
    ) -> Result<Quantised> {
        let bytes = self.integers.read_integers(source, rows.clone()).await?;
        let integers: Vec<i8> = match self.format {
            WeightFormat::Q4 => bytes.iter().flat_map(|byte| unpack(*byte)).collect(),
            _ => bytes.iter().map(|byte| *byte as i8).collect(),
        };
        let blocks = self.shape[1].div_ceil(self.block);
        let scales = scales[rows.start * blocks..rows.end * blocks].to_vec();
        self.check_products(name, rows.start, &integers, &scales)?;
        Ok(Quantised { integers, scales })
    }

    /// Fails unless every integer times its scale is an f16 number: kernels that expand weights to f16
    /// and those that do not would disagree about others, and those beyond f16 overflow.
    fn check_products(
        &self,
        name: &str,
        row: usize,
        integers: &[i8],
        scales: &[f16],
    ) -> Result<()> {
        // As `cappy convert` writes scales: of so few bits that all their products are of f16.
        let extra = (1u16 << (11 - self.format.scale_bits())) - 1;
        let largest = f16::from_f32(256.0);
        let is_plain = |scale: f16| {
            let size = f16::from_bits(scale.to_bits() & 0x7fff);
            size.to_bits() & extra == 0 && size <= largest
        };
        let blocks_a_row = self.shape[1].div_ceil(self.block);
        let blocks = integers.chunks_exact(self.shape[1]).flat_map(|row| row.chunks(self.block));
        for (at, (integers, scale)) in blocks.zip(scales).enumerate() {
            let is_f16 = |integer: &i8| {
                let product = f32::from(*integer) * scale.to_f32();
                f16::from_f32(product).to_f32() == product
            };
            if is_plain(*scale) || integers.iter().all(is_f16) {
                continue;
            }
            let (row, block) = (row + at / blocks_a_row, at % blocks_a_row);
            let what = format!(
                "has the scale {scale} in row {row}, block {block}, whose products are not f16 \
                 numbers; write it with `cappy convert`"
            );
            return Err(Error::new(ErrorKind::Checkpoint, name, what));
        }
        Ok(())
    }
}

/// The two integers of a byte.
fn unpack(byte: u8) -> [i8; 2] {
    [(byte << 4) as i8 >> 4, byte as i8 >> 4]
}

/// Two integers of -8 to 7 in a byte.
pub(super) fn pack(integers: [i8; 2]) -> u8 {
    (integers[0] as u8 & 0xf) | (integers[1] as u8) << 4
}

/// Makes one of each matrix and its scales.
pub(super) fn pair_scales(tensors: BTreeMap<String, Held>) -> Result<BTreeMap<String, Held>> {
    let mut paired = BTreeMap::new();
    for (name, held) in &tensors {
        let (Held::Stored(integers), Some(Held::Stored(scales))) =
            (held, tensors.get(&format!("{name}{SCALES}")))
        else {
            continue;
        };
        let view = QuantisedView::new(name, integers.clone(), scales.clone())?;
        paired.insert(name.clone(), Held::Quantised(view));
    }
    for (name, held) in tensors {
        let of_pair = |name: &str| matches!(paired.get(name), Some(Held::Quantised(_)));
        if !of_pair(&name) && !name.strip_suffix(SCALES).is_some_and(of_pair) {
            paired.insert(name, held);
        }
    }
    Ok(paired)
}

#[cfg(test)]
mod tests {
    use pollster::block_on;
    use serde_json::{Value, json};

    use super::*;
    use crate::checkpoint::testing::{open, read, safetensors_file};

    fn tensor(dtype: &str, shape: Value, begin: usize, end: usize) -> Value {
        json!({"dtype": dtype, "shape": shape, "data_offsets": [begin, end]})
    }

    /// `a` is 2 x 4 in q4, `b` 1 x 33 in q8.
    fn file() -> Vec<u8> {
        let header = json!({
            "a": tensor("U8", json!([2, 2]), 0, 4),
            "a.scales": tensor("F16", json!([2, 1]), 4, 8),
            "b": tensor("I8", json!([1, 33]), 8, 41),
            "b.scales": tensor("F16", json!([1, 2]), 41, 45),
        });
        let mut data = vec![0x21, 0x8f, 0x70, 0x00];
        let scale = |x: f32| f16::from_f32(x).to_le_bytes();
        data.extend([scale(0.5), scale(-2.0)].concat());
        data.extend((0..33).map(|i| (i * 3 - 100) as i8 as u8));
        data.extend([scale(1.0), scale(0.25)].concat());
        safetensors_file(&header, &data)
    }

    #[test]
    fn both_formats_are_read() {
        let checkpoint = open("model.safetensors", file()).unwrap();
        assert_eq!(checkpoint.names().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(
            read(&checkpoint, "a", &[2, 4]).unwrap(),
            [0.5, 1.0, -0.5, -4.0, 0.0, -14.0, 0.0, 0.0]
        );
        let b = read(&checkpoint, "b", &[1, 33]).unwrap();
        assert_eq!((b[0], b[31], b[32]), (-100.0, -7.0, -1.0));
        let a = checkpoint.get("a", &[2, 4]).unwrap();
        assert_eq!(a.weight_format(), WeightFormat::Q4);
        let row = block_on(a.read_quantised(1..2)).unwrap();
        assert_eq!((row.integers, row.scales), (vec![0, 7, 0, 0], vec![f16::from_f32(-2.0)]));
        let wrong = checkpoint.get("a", &[2, 2]).unwrap_err();
        assert_eq!(wrong.at_fault(), "a");
    }

    #[test]
    fn scales_that_do_not_fit_are_refused() {
        let integers = tensor("I8", json!([2, 64]), 0, 128);
        for (integers, scales) in [
            (integers.clone(), tensor("F16", json!([2, 3]), 128, 140)),
            (integers.clone(), tensor("F16", json!([1, 2]), 128, 132)),
            (integers.clone(), tensor("F16", json!([4]), 128, 136)),
            (integers, tensor("F32", json!([2, 2]), 128, 144)),
            (tensor("F32", json!([2, 16]), 0, 128), tensor("F16", json!([2, 1]), 128, 132)),
            (tensor("I8", json!([2, 8, 8]), 0, 128), tensor("F16", json!([2, 2]), 128, 136)),
        ] {
            let end = scales["data_offsets"][1].as_u64().unwrap() as usize;
            let header = json!({"a": integers, "a.scales": scales});
            let error = open("model.safetensors", safetensors_file(&header, &vec![0; end]));
            assert_eq!(error.unwrap_err().at_fault(), "a", "{header}");
        }
    }

    #[test]
    fn products_that_are_not_of_f16_are_refused_with_their_place() {
        let read = |scale: f32, integers: [i8; 2]| {
            let header = json!({
                "a": tensor("I8", json!([3, 2]), 0, 6),
                "a.scales": tensor("F16", json!([3, 1]), 6, 12),
            });
            let mut data = vec![1, 1, 1, 1, integers[0] as u8, integers[1] as u8];
            for scale in [1.0, 0.5, scale] {
                data.extend(f16::from_f32(scale).to_le_bytes());
            }
            let checkpoint = open("model.safetensors", safetensors_file(&header, &data)).unwrap();
            let tensor = checkpoint.get("a", &[3, 2]).unwrap();
            block_on(tensor.read_quantised(2..3)).map(|row| row.integers)
        };
        // f16 has 11 significant bits, 1001 takes 10 and 127 seven.
        let fine = 1001.0 / 4096.0;
        for (scale, integers) in
            [(fine, [1, -2]), (fine, [0, -128]), (f32::powi(2.0, -24) * 3.0, [127, -127])]
        {
            assert_eq!(read(scale, integers).unwrap(), integers, "{scale}");
        }
        for (scale, integers) in [(fine, [1, 127]), (1024.0, [64, 1]), (60_000.0, [-2, 0])] {
            let error = read(scale, integers).unwrap_err();
            assert_eq!(error.at_fault(), "a");
            assert!(error.to_string().contains("in row 2, block 0"), "{scale}: {error}");
        }
    }

    #[test]
    fn bytes_hold_two_integers() {
        for byte in 0..=255 {
            let integers = unpack(byte);
            assert!(integers.iter().all(|integer| (-8..8).contains(integer)));
            assert_eq!(pack(integers), byte);
        }
    }
}
