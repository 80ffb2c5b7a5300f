//! Writes a checkpoint of random weights as files, for tests that have no other way to get one.
//!
//! ```sh
//! cargo run --release --example random_checkpoint -- CONFIG SEED PROFILE TOKENIZER OUT [f32|f16]
//! ```
//!
//! `CONFIG` is a `config.json`, or a file of `tests/golden/models`, whose field `config` is one.
//! `PROFILE` is plain or outliers. Weights are made tensor by tensor as they are written.

use std::borrow::Cow;
use std::error::Error;
use std::fs;
use std::path::Path;

use cappy::{Checkpoint, Config, RandomProfile};
use half::f16;
use pollster::block_on;
use safetensors::{Dtype, View};
use serde_json::Value;

struct Lazy<'a> {
    checkpoint: &'a Checkpoint,
    name: String,
    shape: Vec<usize>,
    dtype: Dtype,
}

impl View for &Lazy<'_> {
    fn dtype(&self) -> Dtype {
        self.dtype
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        let tensor = self.checkpoint.get(&self.name, &self.shape).expect("its own tensor");
        let mut numbers = Vec::new();
        block_on(tensor.read_rows(0..tensor.rows(), &mut numbers)).expect("random numbers");
        match self.dtype {
            Dtype::F16 => numbers.iter().flat_map(|x| f16::from_f32(*x).to_le_bytes()).collect(),
            _ => numbers.iter().flat_map(|x| x.to_le_bytes()).collect(),
        }
    }

    fn data_len(&self) -> usize {
        self.shape.iter().product::<usize>() * if self.dtype == Dtype::F16 { 2 } else { 4 }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [config, seed, profile, tokenizer, out, dtype @ ..] = &arguments[..] else {
        return Err("usage: random_checkpoint CONFIG SEED PROFILE TOKENIZER OUT [f32|f16]".into());
    };
    let profile = match profile.as_str() {
        "plain" => RandomProfile::Plain,
        "outliers" => RandomProfile::Outliers,
        other => return Err(format!("no profile is called {other}").into()),
    };
    let dtype = match dtype.first().map(String::as_str) {
        None | Some("f32") => Dtype::F32,
        Some("f16") => Dtype::F16,
        Some(other) => return Err(format!("{other} is neither f32 nor f16").into()),
    };
    let file: Value = serde_json::from_slice(&fs::read(config)?)?;
    let json = file.get("config").unwrap_or(&file).to_string();
    let config = Config::from_json(config, json.as_bytes())?;
    let checkpoint = Checkpoint::random(&config, seed.parse()?, profile);
    let tensors: Vec<Lazy<'_>> = checkpoint
        .names()
        .map(|name| Lazy {
            checkpoint: &checkpoint,
            name: name.to_owned(),
            shape: checkpoint.shape(name).expect("its own name").to_vec(),
            dtype,
        })
        .collect();

    let out = Path::new(out);
    fs::create_dir_all(out)?;
    fs::write(out.join("config.json"), json)?;
    fs::copy(tokenizer, out.join("tokenizer.json"))?;
    let named = tensors.iter().map(|tensor| (&tensor.name, tensor));
    safetensors::serialize_to_file(named, None, &out.join("model.safetensors"))?;
    Ok(())
}
