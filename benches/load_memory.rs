//! Peak memory while a large model is loaded: `cargo bench --bench load_memory`.
//!
//! Writes random weights of Cappy-large's shape as f16 safetensors (0.7 GB) to a temporary folder,
//! loads them in a fresh process, and compares that process's peak resident memory with the limit.
//! A software adapter keeps the model in the same memory, so there it is subtracted.

use std::collections::HashMap;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Instant;
use std::{env, fs};

use cappy::bench::Shape;
use cappy::checkpoint::tensor_shapes;
use cappy::{Checkpoint, LoadOptions, ModelSource, RandomProfile, Scorer};
use half::f16;
use half::slice::HalfFloatSliceExt;
use pollster::block_on;
use safetensors::{Dtype, View};

const LIMIT_MIB: f64 = 400.0;
const MIB: f64 = 1024.0 * 1024.0;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [_, "make", folder] => make(Path::new(folder)),
        [_, "load", folder] => return load(Path::new(folder)),
        _ => {
            let folder = tempfile::tempdir().unwrap();
            for step in ["make", "load"] {
                let mut child = Command::new(env::current_exe().unwrap());
                if !child.arg(step).arg(folder.path()).status().unwrap().success() {
                    return ExitCode::FAILURE;
                }
            }
        }
    }
    ExitCode::SUCCESS
}

/// One tensor of the random model, made when it is written.
struct Lazy<'a>(&'a Checkpoint, String, Vec<usize>);

impl View for Lazy<'_> {
    fn dtype(&self) -> Dtype {
        Dtype::F16
    }

    fn shape(&self) -> &[usize] {
        &self.2
    }

    fn data(&self) -> std::borrow::Cow<'_, [u8]> {
        let tensor = self.0.get(&self.1, &self.2).unwrap();
        let mut values = Vec::new();
        block_on(tensor.read_rows(0..tensor.rows(), &mut values)).unwrap();
        let mut rounded = vec![f16::ZERO; values.len()];
        rounded.convert_from_f32_slice(&values);
        bytemuck::cast_slice(&rounded).to_vec().into()
    }

    fn data_len(&self) -> usize {
        self.2.iter().product::<usize>() * 2
    }
}

fn make(folder: &Path) {
    let config = Shape::Large.config().unwrap();
    let checkpoint = Checkpoint::random(&config, 1, RandomProfile::Plain);
    let tensors = tensor_shapes(&config)
        .into_iter()
        .map(|(name, shape)| (name.clone(), Lazy(&checkpoint, name, shape)));
    let metadata = Some(HashMap::from([("format".to_owned(), "pt".to_owned())]));
    safetensors::serialize_to_file(tensors, metadata, &folder.join("model.safetensors")).unwrap();

    let json = serde_json::json!({
        "architectures": ["RobertaForSequenceClassification"], "model_type": "roberta",
        "vocab_size": config.vocab_size, "hidden_size": config.hidden_size,
        "num_hidden_layers": config.num_hidden_layers,
        "num_attention_heads": config.num_attention_heads,
        "intermediate_size": config.intermediate_size, "hidden_act": "gelu",
        "max_position_embeddings": config.max_position_embeddings,
        "type_vocab_size": config.type_vocab_size, "layer_norm_eps": config.layer_norm_eps,
        "pad_token_id": config.pad_token_id, "id2label": { "0": "LABEL_0" },
    });
    fs::write(folder.join("config.json"), json.to_string()).unwrap();
    let tokenizer = include_bytes!("../models/cappy-mini/tokenizer.json");
    fs::write(folder.join("tokenizer.json"), tokenizer).unwrap();
}

fn load(folder: &Path) -> ExitCode {
    let start = Instant::now();
    let source = ModelSource::Directory(folder.to_owned());
    let scorer = block_on(Scorer::load(source, LoadOptions { ..LoadOptions::default() })).unwrap();
    let seconds = start.elapsed().as_secs_f64();
    let Some(peak) = peak_resident_mib() else {
        eprintln!("this system does not tell a process's peak memory (/proc/self/status)");
        return ExitCode::FAILURE;
    };
    let info = scorer.info();
    let software = info.adapter.device_type == "cpu";
    let model = info.gpu_bytes as f64 / MIB;
    let host = if software { peak - model } else { peak };
    println!("adapter         {}", info.adapter.name);
    println!("weights         {:8.1} MiB in {}", info.file_bytes as f64 / MIB, info.format);
    println!("on the GPU      {model:8.1} MiB with activations");
    println!("loaded in       {seconds:8.1} s");
    println!("peak resident   {peak:8.1} MiB");
    println!("without model   {host:8.1} MiB, limit {LIMIT_MIB} MiB");
    if host <= LIMIT_MIB { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn peak_resident_mib() -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches("kB").trim().parse::<f64>().ok().map(|kib| kib / 1024.0)
}
