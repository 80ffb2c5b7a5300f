//! Writing a model with quantised matrices: a `safetensors` file as any other, in which they are two
//! tensors each (`quantised_view.rs` has the table).

use std::io::Write;

use safetensors::tensor::Dtype as FileDtype;

use super::quantised::{Quantised, WeightFormat, scheme};
use super::quantised_view::{SCALES, pack};
use super::write::{NUMBERS_AT_ONCE, Writer};
use super::{Checkpoint, tensor_shapes};
use crate::config::Config;
use crate::error::Result;

/// What the tensors of a model are rounded to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rounding {
    /// What the matrices of layers become.
    pub format: WeightFormat,
    /// As many of the first layers become one step finer: q8 instead of q4, f16 instead of q8.
    pub finer_layers: usize,
}

impl From<WeightFormat> for Rounding {
    fn from(format: WeightFormat) -> Rounding {
        Rounding { format, finer_layers: 0 }
    }
}

impl Rounding {
    /// How the tensor `name` is stored, and how many inputs share a scale; as [`scheme`].
    pub fn scheme(self, name: &str, shape: &[usize]) -> (WeightFormat, usize) {
        let layer = name.split_once(".layer.").or_else(|| name.split_once(".layers."));
        let layer = layer.and_then(|(_, rest)| rest.split('.').next());
        let layer: Option<usize> = layer.and_then(|layer| layer.parse().ok());
        let format = match (layer, self.format) {
            (Some(layer), WeightFormat::Q4) if layer < self.finer_layers => WeightFormat::Q8,
            (Some(layer), WeightFormat::Q8) if layer < self.finer_layers => WeightFormat::F16,
            (_, format) => format,
        };
        scheme(name, shape, format)
    }
}

/// Writes a file of quantised matrices, tensor after tensor in the order of [`tensor_shapes`]: each
/// by [`matrix`](Self::matrix) or, where [`Rounding::scheme`] says f16, by
/// [`numbers`](Self::numbers).
pub struct QuantisedWriter<W>(Writer<W>);

impl<W: Write> QuantisedWriter<W> {
    /// Writes the header.
    ///
    /// # Errors
    /// As [`Writer::new`].
    pub fn new(out: W, file: &str, config: &Config, rounding: Rounding) -> Result<Self> {
        let mut stored = Vec::new();
        for (name, shape) in tensor_shapes(config) {
            let (format, block) = rounding.scheme(&name, &shape);
            let (width, element) = match (format, &shape[..]) {
                (WeightFormat::Q8, &[_, inputs]) => (inputs, FileDtype::I8),
                (WeightFormat::Q4, &[_, inputs]) => (inputs / 2, FileDtype::U8),
                _ => {
                    stored.push((name, shape, FileDtype::F16));
                    continue;
                }
            };
            // Scales come first: a reader from front to back needs them first.
            let scales = vec![shape[0], shape[1].div_ceil(block)];
            stored.push((format!("{name}{SCALES}"), scales, FileDtype::F16));
            stored.push((name, vec![shape[0], width], element));
        }
        Writer::mixed(out, file, stored).map(QuantisedWriter)
    }

    /// Writes the next numbers of a tensor that is stored in f16.
    ///
    /// # Errors
    /// As [`Writer::write`].
    pub fn numbers(&mut self, numbers: &[f32]) -> Result<()> {
        self.0.write(numbers)
    }

    /// Writes the whole of a matrix.
    ///
    /// # Errors
    /// As [`Writer::write`].
    pub fn matrix(&mut self, format: WeightFormat, matrix: &Quantised) -> Result<()> {
        let scales: Vec<f32> = matrix.scales.iter().map(|scale| scale.to_f32()).collect();
        self.0.write(&scales)?;
        let bytes: Vec<u8> = match format {
            WeightFormat::Q4 => matrix.integers.as_chunks().0.iter().copied().map(pack).collect(),
            _ => matrix.integers.iter().map(|integer| *integer as u8).collect(),
        };
        self.0.write_bytes(&bytes)
    }

    /// Ends the file and gives `out` back.
    ///
    /// # Errors
    /// As [`Writer::finish`].
    pub fn finish(self) -> Result<W> {
        self.0.finish()
    }
}

/// As [`super::write_model`], with matrices rounded as `rounding` says, each weight by itself, and
/// everything else in f16. What is quantised already as it should be is copied. One matrix is in
/// memory at a time.
///
/// # Errors
/// As [`super::write_model`], and [`crate::ErrorKind::Checkpoint`] naming the tensor that holds a
/// number which f16 cannot.
pub async fn write_quantised<W: Write>(
    checkpoint: &Checkpoint,
    config: &Config,
    out: W,
    file: &str,
    rounding: Rounding,
    progress: &mut dyn FnMut(u64),
) -> Result<W> {
    let mut writer = QuantisedWriter::new(out, file, config, rounding)?;
    let mut written = 0;
    for (name, shape) in &tensor_shapes(config) {
        let tensor = checkpoint.get(name, shape)?;
        let (format, block) = rounding.scheme(name, shape);
        let mut matrix = Quantised::default();
        let at_once = (NUMBERS_AT_ONCE / tensor.row_len()).max(1);
        for first in (0..tensor.rows()).step_by(at_once) {
            let rows = first..tensor.rows().min(first + at_once);
            written += (rows.len() * tensor.row_len()) as u64;
            if format == WeightFormat::F16 {
                let mut numbers = Vec::new();
                tensor.read_rows(rows, &mut numbers).await?;
                writer.numbers(&numbers)?;
            } else {
                matrix.append(tensor.read_as(format, block, rows).await?);
            }
            progress(written);
        }
        if format != WeightFormat::F16 {
            writer.matrix(format, &matrix)?;
        }
    }
    writer.finish()
}

#[cfg(test)]
mod tests {
    use pollster::block_on;

    use super::*;
    use crate::checkpoint::names::tests::small_config;
    use crate::checkpoint::testing::open;
    use crate::checkpoint::{Quantised, RandomProfile};

    /// A model whose matrices have whole and broken blocks.
    fn model() -> (Config, Checkpoint) {
        let config = Config { hidden_size: 70, intermediate_size: 96, ..small_config() };
        let checkpoint = Checkpoint::random(&config, 3, RandomProfile::Outliers);
        (config, checkpoint)
    }

    fn written(checkpoint: &Checkpoint, config: &Config, rounding: impl Into<Rounding>) -> Vec<u8> {
        let mut last = 0;
        let mut progress = |numbers| {
            assert!(numbers > last);
            last = numbers;
        };
        let write = {
            let rounding = rounding.into();
            write_quantised(checkpoint, config, Vec::new(), "f", rounding, &mut progress)
        };
        let bytes = block_on(write).unwrap();
        let all: usize =
            tensor_shapes(config).iter().map(|(_, shape)| shape.iter().product::<usize>()).sum();
        assert_eq!(last, all as u64);
        bytes
    }

    #[test]
    fn what_is_written_is_what_rounding_gives() {
        let (config, checkpoint) = model();
        for format in [WeightFormat::Q8, WeightFormat::Q4] {
            let bytes = written(&checkpoint, &config, format);
            let read = open("model.safetensors", &bytes[..]).unwrap();
            assert_eq!(read.weight_format(), format);
            for (name, shape) in tensor_shapes(&config) {
                let (format, block) = scheme(&name, &shape, format);
                let tensor = read.get(&name, &shape).unwrap();
                assert_eq!(tensor.weight_format(), format, "{name}");
                let mut numbers = Vec::new();
                block_on(tensor.read_rows(0..shape[0], &mut numbers)).unwrap();
                let mut expected = Vec::new();
                let original = checkpoint.get(&name, &shape).unwrap();
                block_on(original.read_rows(0..shape[0], &mut expected)).unwrap();
                if format == WeightFormat::F16 {
                    expected.iter_mut().for_each(|x| *x = half::f16::from_f32(*x).to_f32());
                } else {
                    let rounded = Quantised::round(&name, format, &expected, shape[1], block);
                    expected.clear();
                    rounded.unwrap().expand(shape[1], block, &mut expected);
                }
                assert!(numbers == expected, "{name}");
            }
            // Once more changes nothing.
            assert!(written(&read, &config, format) == bytes);
        }
    }

    #[test]
    fn a_quantised_model_is_rounded_anew_to_another_format() {
        let (config, checkpoint) = model();
        let q8 =
            open("model.safetensors", written(&checkpoint, &config, WeightFormat::Q8)).unwrap();
        let q4 = open("model.safetensors", written(&q8, &config, WeightFormat::Q4)).unwrap();
        assert_eq!(q4.weight_format(), WeightFormat::Q4);
        assert!(q4.file_bytes() < q8.file_bytes());
    }
    #[test]
    fn the_first_layers_may_be_one_step_finer() {
        let (config, checkpoint) = model();
        let matrix = |layer| format!("roberta.encoder.layer.{layer}.attention.self.key.weight");
        let formats = [WeightFormat::F16, WeightFormat::Q8, WeightFormat::Q4];
        for (format, finer) in formats.into_iter().skip(1).zip(formats) {
            let rounding = Rounding { format, finer_layers: 1 };
            let bytes = written(&checkpoint, &config, rounding);
            let read = open("model.safetensors", &bytes[..]).unwrap();
            let of = |layer| read.get(&matrix(layer), &[70, 70]).unwrap().weight_format();
            assert_eq!((of(0), of(1)), (finer, format));
            assert_eq!(read.weight_format(), format);
            assert!(bytes.len() > written(&checkpoint, &config, format).len());
        }
    }
}
