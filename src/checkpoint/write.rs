//! Writing `safetensors`, tensor after tensor.
//!
//! The crate that reads the format writes it too, but asks for each tensor's bytes by a call that
//! can neither wait nor fail. Ours come from the GPU, in pieces, and may be refused. So the header
//! is made by that crate and the numbers are written here. A file whose tensors are sorted by name
//! is, byte for byte, what Python's `safetensors.torch.save_file` writes.

use std::collections::HashMap;
use std::io::{self, Write};

use half::f16;
use safetensors::tensor::{Dtype as FileDtype, Metadata, TensorInfo};

use super::dtype::Dtype;
use super::{Checkpoint, tensor_shapes};
use crate::config::Config;
use crate::error::{Error, ErrorKind, Result};

/// Numbers that are converted at once.
const BLOCK: usize = 16 << 10;

/// Numbers of a model that are read at once.
pub(super) const NUMBERS_AT_ONCE: usize = 1 << 20;

/// Writes one `safetensors` file.
///
/// ```
/// use cappy::checkpoint::{Checkpoint, Dtype, MemoryFiles, Writer};
/// let tensors = [("a".to_string(), vec![2, 3]), ("b".to_string(), vec![1])];
/// let mut writer = Writer::new(Vec::new(), "model.safetensors", &tensors, Dtype::F32)?;
/// writer.write(&[1.0, 2.0, 3.0])?; // the first row of "a"
/// writer.write(&[4.0, 5.0, 6.0])?;
/// writer.write(&[7.0])?;
/// let bytes = writer.finish()?;
///
/// let files = MemoryFiles::new("memory").with("model.safetensors", bytes);
/// let checkpoint = pollster::block_on(Checkpoint::open(&files))?;
/// assert_eq!(checkpoint.get("a", &[2, 3])?.dtype(), Dtype::F32);
/// # Ok::<(), cappy::Error>(())
/// ```
pub struct Writer<W> {
    out: W,
    file: String,
    /// Names, formats and counts of numbers, the last tensor first.
    left: Vec<(String, FileDtype, usize)>,
    /// Numbers of the current tensor that were written.
    written: usize,
    bytes: Vec<u8>,
}

impl<W: Write> Writer<W> {
    /// Writes the header for `tensors`, names and shapes in the order in which their numbers will
    /// come. All of them are stored as `dtype`. `file` is what messages call the file.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] when `out` cannot be written, [`ErrorKind::Input`] for bf16 and f64, which
    /// are not written, and for names or shapes that no file can have.
    pub fn new(
        out: W,
        file: &str,
        tensors: &[(String, Vec<usize>)],
        dtype: Dtype,
    ) -> Result<Writer<W>> {
        let stored = match dtype {
            Dtype::F32 => FileDtype::F32,
            Dtype::F16 => FileDtype::F16,
            Dtype::BF16 | Dtype::F64 => {
                let what = format!("is to be of {dtype}, which is not written");
                return Err(Error::new(ErrorKind::Input, file, what));
            }
        };
        let with_dtype =
            |(name, shape): &(String, Vec<usize>)| (name.clone(), shape.clone(), stored);
        Writer::mixed(out, file, tensors.iter().map(with_dtype).collect())
    }

    /// The same for tensors of several formats: F32, F16, I8 or U8.
    pub(super) fn mixed(
        mut out: W,
        file: &str,
        tensors: Vec<(String, Vec<usize>, FileDtype)>,
    ) -> Result<Writer<W>> {
        let refuse = |what: String| Error::new(ErrorKind::Input, file, what);
        let mut infos = Vec::with_capacity(tensors.len());
        let mut left = Vec::with_capacity(tensors.len());
        let mut end = 0usize;
        for (name, shape, dtype) in &tensors {
            let count = shape.iter().try_fold(1usize, |count, size| count.checked_mul(*size));
            let begin = end;
            let bytes = dtype.bitsize() / 8;
            let size = count.and_then(|count| count.checked_mul(bytes));
            end = size
                .and_then(|size| begin.checked_add(size))
                .ok_or_else(|| refuse(format!("cannot hold {name} of shape {shape:?}")))?;
            let info =
                TensorInfo { dtype: *dtype, shape: shape.clone(), data_offsets: (begin, end) };
            infos.push((name.clone(), info));
            left.push((name.clone(), *dtype, (end - begin) / bytes));
        }
        let mut names: Vec<_> = tensors.iter().map(|(name, ..)| name).collect();
        names.sort_unstable();
        if let Some(twice) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(refuse(format!("has two tensors called {}", twice[0])));
        }

        // Hugging Face libraries refuse files that do not say which of them to load with.
        let format = HashMap::from([("format".to_owned(), "pt".to_owned())]);
        let header = Metadata::new(Some(format), infos)
            .map_err(|error| error.to_string())
            .and_then(|header| serde_json::to_vec(&header).map_err(|error| error.to_string()));
        let mut header = header.map_err(|error| refuse(format!("has no header: {error}")))?;
        header.resize(header.len().next_multiple_of(8), b' ');
        let length = header.len() as u64;
        let written = out.write_all(&length.to_le_bytes()).and_then(|()| out.write_all(&header));
        written.map_err(|error| unwritable(file, error))?;

        left.reverse();
        let mut writer = Writer { out, file: file.to_owned(), left, written: 0, bytes: Vec::new() };
        writer.skip_full();
        Ok(writer)
    }

    /// Writes the next numbers: of the tensor that is not full yet, as many of its rows as suits
    /// the caller, but none of the tensor after it.
    ///
    /// # Errors
    /// [`ErrorKind::NotFinite`] naming the tensor when a number is NaN, infinite or too large for
    /// f16, [`ErrorKind::Input`] when there are more numbers than it has, and [`ErrorKind::Io`].
    /// The file is then of no use.
    pub fn write(&mut self, numbers: &[f32]) -> Result<()> {
        let dtype = self.room(numbers.len())?;
        for block in numbers.chunks(BLOCK) {
            self.bytes.clear();
            let fits = match dtype {
                FileDtype::F32 => append(block, &mut self.bytes, f32::is_finite, f32::to_le_bytes),
                _ => {
                    let fits = |number: f32| f16::from_f32(number).is_finite();
                    append(block, &mut self.bytes, fits, |number| {
                        f16::from_f32(number).to_le_bytes()
                    })
                }
            };
            if let Err(number) = fits {
                let what = format!("{number} does not fit {}", format!("{dtype:?}").to_lowercase());
                return Err(self.refuse(ErrorKind::NotFinite, what));
            }
            self.out.write_all(&self.bytes).map_err(|error| unwritable(&self.file, error))?;
        }
        self.written += numbers.len();
        self.skip_full();
        Ok(())
    }

    /// Writes the next bytes of a tensor of I8 or U8.
    pub(super) fn write_bytes(&mut self, bytes: &[u8]) -> Result<()> {
        self.room(bytes.len())?;
        self.out.write_all(bytes).map_err(|error| unwritable(&self.file, error))?;
        self.written += bytes.len();
        self.skip_full();
        Ok(())
    }

    /// What the next numbers are stored as, if there is room for so many of them.
    fn room(&self, numbers: usize) -> Result<FileDtype> {
        let Some((_, dtype, count)) = self.left.last() else {
            let message = format!("is full; {numbers} numbers are too many");
            return Err(Error::new(ErrorKind::Input, &self.file, message));
        };
        let left = count - self.written;
        if numbers > left {
            let what = format!("takes {left} more numbers, there are {numbers}");
            return Err(self.refuse(ErrorKind::Input, what));
        }
        Ok(*dtype)
    }

    fn refuse(&self, kind: ErrorKind, what: String) -> Error {
        let at_fault = match self.tensor() {
            Some(name) => format!("{}: {name}", self.file),
            None => self.file.clone(),
        };
        Error::new(kind, at_fault, what)
    }

    /// The tensor that the next numbers belong to; `None` when all are written.
    pub fn tensor(&self) -> Option<&str> {
        self.left.last().map(|(name, ..)| &name[..])
    }

    /// Ends the file and gives back what it was written to.
    ///
    /// # Errors
    /// [`ErrorKind::Input`] naming the tensor that lacks numbers, and [`ErrorKind::Io`].
    pub fn finish(mut self) -> Result<W> {
        if let Some((_, _, count)) = self.left.last() {
            let what = format!("lacks {} of its {count} numbers", count - self.written);
            return Err(self.refuse(ErrorKind::Input, what));
        }
        self.out.flush().map_err(|error| unwritable(&self.file, error))?;
        Ok(self.out)
    }

    /// Goes on to the next tensor where the current one has all its numbers.
    fn skip_full(&mut self) {
        while self.left.pop_if(|(_, _, count)| *count == self.written).is_some() {
            self.written = 0;
        }
    }
}

/// Appends the bytes of `numbers`, or gives the first that does not fit.
fn append<const N: usize>(
    numbers: &[f32],
    bytes: &mut Vec<u8>,
    fits: impl Fn(f32) -> bool,
    convert: impl Fn(f32) -> [u8; N],
) -> Result<(), f32> {
    for number in numbers {
        if !fits(*number) {
            return Err(*number);
        }
        bytes.extend_from_slice(&convert(*number));
    }
    Ok(())
}

pub(super) fn unwritable(file: &str, error: io::Error) -> Error {
    Error::new(ErrorKind::Io, file, format!("cannot be written: {error}")).with_source(error)
}

/// Writes every tensor that a model of this shape computes with, in the order of the forward pass,
/// and gives back `out`. Of an adapted checkpoint the sums are written, so that the file needs no
/// adapter. A few MiB of numbers are in memory at a time. `progress` is told how many numbers were
/// written.
///
/// # Errors
/// As [`Writer::write`], and what reading `checkpoint` gives.
pub async fn write_model<W: Write>(
    checkpoint: &Checkpoint,
    config: &Config,
    out: W,
    file: &str,
    dtype: Dtype,
    progress: &mut dyn FnMut(u64),
) -> Result<W> {
    let tensors = tensor_shapes(config);
    let mut writer = Writer::new(out, file, &tensors, dtype)?;
    let mut numbers = Vec::new();
    let mut written = 0;
    for (name, shape) in &tensors {
        let tensor = checkpoint.get(name, shape)?;
        let (rows, at_once) = (tensor.rows(), (NUMBERS_AT_ONCE / tensor.row_len()).max(1));
        for first in (0..rows).step_by(at_once) {
            numbers.clear();
            tensor.read_rows(first..rows.min(first + at_once), &mut numbers).await?;
            writer.write(&numbers)?;
            written += numbers.len() as u64;
            progress(written);
        }
    }
    writer.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::testing::{counted, fixture, open, read};

    /// In Python's order, with a name that JSON escapes, and a tensor without numbers.
    fn tensors() -> Vec<(String, Vec<usize>)> {
        let named =
            [("a \"b\"", vec![2, 3]), ("empty", vec![0, 4]), ("one", vec![]), ("z", vec![7])];
        named.map(|(name, shape)| (name.to_string(), shape)).to_vec()
    }

    fn written(dtype: Dtype) -> Vec<u8> {
        let mut writer = Writer::new(Vec::new(), "f", &tensors(), dtype).unwrap();
        for (name, numbers) in [
            ("a \"b\"", &[0.0, 1.0, 2.0][..]),
            ("a \"b\"", &[]),
            ("a \"b\"", &[3.0, 4.0, 5.0]),
            ("one", &[-0.1]),
            ("z", &counted(100, 7)),
        ] {
            assert_eq!(writer.tensor(), Some(name));
            writer.write(numbers).unwrap();
        }
        assert_eq!(writer.tensor(), None);
        writer.finish().unwrap()
    }

    #[test]
    fn files_are_those_that_python_writes() {
        assert!(written(Dtype::F32) == fixture("written_f32.safetensors"));
        assert!(written(Dtype::F16) == fixture("written_f16.safetensors"));
    }

    #[test]
    fn what_is_written_is_read() {
        for (dtype, tenth) in [(Dtype::F32, -0.1), (Dtype::F16, f16::from_f32(-0.1).to_f32())] {
            let checkpoint = open("model.safetensors", written(dtype)).unwrap();
            assert_eq!(read(&checkpoint, "a \"b\"", &[2, 3]).unwrap(), counted(0, 6));
            assert_eq!(read(&checkpoint, "empty", &[0, 4]).unwrap(), [0.0; 0]);
            assert_eq!(read(&checkpoint, "one", &[]).unwrap(), [tenth]);
            assert_eq!(checkpoint.get("z", &[7]).unwrap().dtype(), dtype);
        }
    }

    #[test]
    fn long_tensors_are_written_in_blocks() {
        let count = 2 * BLOCK + 5;
        let tensors = [("a".to_string(), vec![count])];
        let mut writer = Writer::new(Vec::new(), "f", &tensors, Dtype::F32).unwrap();
        writer.write(&counted(0, count as i32)).unwrap();
        let checkpoint = open("model.safetensors", writer.finish().unwrap()).unwrap();
        assert_eq!(read(&checkpoint, "a", &[count]).unwrap(), counted(0, count as i32));
    }

    #[test]
    fn wrong_numbers_are_named() {
        let new = |dtype| Writer::new(Vec::new(), "f", &tensors(), dtype).unwrap();
        let check = |result: Result<()>, kind, at_fault: &str| {
            let error = result.unwrap_err();
            assert_eq!((error.kind(), error.at_fault()), (kind, at_fault), "{error}");
        };
        check(new(Dtype::F32).write(&[0.0; 7]), ErrorKind::Input, "f: a \"b\"");
        check(new(Dtype::F32).write(&[f32::NAN]), ErrorKind::NotFinite, "f: a \"b\"");
        check(new(Dtype::F16).write(&[65520.0]), ErrorKind::NotFinite, "f: a \"b\"");
        new(Dtype::F16).write(&[65519.0]).unwrap();
        let mut writer = new(Dtype::F32);
        writer.write(&[0.0; 6]).unwrap();
        check(writer.finish().map(|_| ()), ErrorKind::Input, "f: one");
        let none: Vec<(String, Vec<usize>)> = Vec::new();
        let mut empty = Writer::new(Vec::new(), "f", &none, Dtype::F32).unwrap();
        check(empty.write(&[1.0]), ErrorKind::Input, "f");
        let twice = vec![("a".to_string(), vec![1]); 2];
        for (tensors, dtype) in [
            (twice, Dtype::F32),
            (none.clone(), Dtype::F64),
            (none, Dtype::BF16),
            (vec![("a".to_string(), vec![usize::MAX, 2])], Dtype::F32),
            (vec![("a".to_string(), vec![usize::MAX])], Dtype::F16),
        ] {
            let new = Writer::new(Vec::new(), "f", &tensors, dtype);
            check(new.map(|_| ()), ErrorKind::Input, "f");
        }
    }
}
