//! `cappy info`: what the model is, and how it would run here.

use cappy::{Dtype, Info};
use indicatif::{BinaryBytes, HumanCount};

use crate::failure::{Outcome, Result};
use crate::model::ModelArgs;
use crate::output;

/// Show the model's shape and bytes, the adapter, and the path taken on it
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    model: ModelArgs,

    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

pub async fn run(args: Args) -> Result<Outcome> {
    let scorer = args.model.load().await?;
    let info = scorer.info();
    output::print(&if args.json { output::pretty(info)? } else { table(info) })
}

fn table(info: &Info) -> String {
    let Info { config, adapter, .. } = info;
    let shape = format!(
        "{} layers, hidden {}, {} heads of {}, feed-forward {}",
        config.num_hidden_layers,
        config.hidden_size,
        config.num_attention_heads,
        config.head_size(),
        config.intermediate_size
    );
    let model = match &info.adaptation {
        Some(adaptation) => format!("{}, adapted by {adaptation}", info.model),
        None => info.model.clone(),
    };
    let dtype = match info.dtype {
        Dtype::F16 => "f16",
        Dtype::F32 => "f32 shaders that unpack f16",
        Dtype::Auto => "auto",
    };
    let on_cpu = info.adapter.backend == "cpu";
    let kernels = match info.tuning_seconds {
        _ if on_cpu => info.kernels.clone(),
        0.0 => format!("{}, as remembered", info.kernels),
        seconds => format!("{}, found in {seconds:.2} s", info.kernels),
    };
    let (memory, bytes) =
        if on_cpu { ("in memory", info.cpu_bytes) } else { ("on the GPU", info.gpu_bytes) };
    let rows = [
        ("model", model),
        ("format", info.format.clone()),
        ("family", config.family.model_type().to_owned()),
        ("shape", shape),
        ("vocabulary", HumanCount(config.vocab_size as u64).to_string()),
        ("longest pair", format!("{} tokens", info.max_tokens)),
        ("labels", config.labels.join(", ")),
        ("output", info.output.clone()),
        ("parameters", HumanCount(info.parameters).to_string()),
        ("in files", BinaryBytes(info.file_bytes).to_string()),
        (memory, BinaryBytes(bytes).to_string()),
        ("adapter", format!("{} ({}, {})", adapter.name, adapter.device_type, adapter.backend)),
        ("driver", adapter.driver.clone()),
        ("shader-f16", if adapter.f16 { "yes" } else { "no" }.to_string()),
        ("path taken", format!("{dtype}, weights in {}", info.weights)),
        ("note", info.note.clone().unwrap_or_default()),
        ("kernels", kernels),
        ("batch", format!("at most {} tokens", HumanCount(info.batch_tokens as u64))),
    ];
    let rows = rows.iter().filter(|(_, value)| !value.is_empty());
    rows.map(|(name, value)| format!("{name:<13} {}\n", output::one_line(value))).collect()
}
