//! Which of GPU and CPU computes, and what the command line says of it.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// The command line where no driver is found.
fn cappy(arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_cappy"))
        .args(arguments)
        .envs([("VK_DRIVER_FILES", "/none.json"), ("VK_ICD_FILENAMES", "/none.json")])
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn without_an_adapter_the_cpu_computes_and_info_says_why() {
    let (code, info, error) = cappy(&["info", "--json"]);
    assert_eq!(code, Some(0), "{error}");
    let info: Value = serde_json::from_str(&info).unwrap();
    assert_eq!(info["adapter"]["backend"], "cpu");
    assert_eq!(info["gpu_bytes"], 0);
    assert!(info["cpu_bytes"].as_u64().unwrap() > 1_000_000);
    let note = info["note"].as_str().unwrap();
    assert!(note.starts_with("computes on the CPU: no Vulkan"), "{note}");

    let (code, ranks, error) = cappy(&["rank", "--device", "cpu", "--json", "Which?", "a", "b"]);
    assert_eq!(code, Some(0), "{error}");
    assert_eq!(serde_json::from_str::<Vec<Value>>(&ranks).unwrap().len(), 2);
    let (code, _, error) = cappy(&["rank", "--device", "gpu", "Which?", "a", "b"]);
    assert_eq!(code, Some(1));
    assert!(error.contains("no Vulkan"), "{error}");
}

/// What `cappy info` says, and what it kept, of GPU and CPU.
fn chosen(folder: &Path, more: &[&str]) -> (Value, Vec<String>) {
    let output = Command::new(env!("CARGO_BIN_EXE_cappy"))
        .args([&["info", "--json"], more].concat())
        .env("XDG_CACHE_HOME", folder)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let kept = fs::read_to_string(folder.join("cappy/tuning")).unwrap();
    (serde_json::from_slice(&output.stdout).unwrap(), kept.lines().map(str::to_owned).collect())
}

/// Other systems have their cache folder elsewhere.
#[cfg(target_os = "linux")]
#[test]
fn auto_takes_what_measures_faster_and_remembers_it() {
    let folder = tempfile::tempdir().unwrap();
    let (first, kept) = chosen(folder.path(), &[]);
    let [gpu, both] = &kept[..] else { panic!("{kept:?}") };
    let words: Vec<&str> = both.splitn(4, ' ').collect();
    let [on_gpu, on_cpu] = [words[1], words[2]].map(|micros| micros.parse::<u64>().unwrap());
    let cpu_is_faster = on_cpu < on_gpu;
    assert!(first["tuning_seconds"].as_f64() > Some(0.0));
    assert_eq!(first["adapter"]["backend"] == "cpu", cpu_is_faster, "{kept:?}");
    let taken = if cpu_is_faster { "takes the CPU: " } else { "takes the GPU: " };
    assert!(first["note"].as_str().unwrap().starts_with(taken), "{}", first["note"]);

    let (again, kept_again) = chosen(folder.path(), &[]);
    assert_eq!(again["tuning_seconds"], 0.0);
    assert_eq!((&again["note"], &kept_again), (&first["note"], &kept));

    // What was measured decides, whatever the adapter is called.
    for (on_gpu, on_cpu) in [(1, 1_000_000), (1_000_000, 1)] {
        let forged = format!("{gpu}\nauto {on_gpu} {on_cpu} {}", words[3]);
        fs::write(folder.path().join("cappy/tuning"), forged).unwrap();
        let (info, _) = chosen(folder.path(), &[]);
        assert_eq!(info["adapter"]["backend"] == "cpu", on_cpu < on_gpu, "{}", info["note"]);
        assert_eq!(info["tuning_seconds"], 0.0);
    }
    // What only a GPU has is asked of the GPU, and using it alone forgets nothing.
    fs::write(folder.path().join("cappy/tuning"), format!("nonsense\n{both}")).unwrap();
    for more in [&["--device", "gpu"][..], &["--dtype", "f16"], &["--kernel", "lanes"]] {
        let (info, kept) = chosen(folder.path(), more);
        assert_ne!(info["adapter"]["backend"], "cpu", "{more:?}");
        assert_eq!(kept[1..].concat(), *both, "{more:?}");
    }
    let (info, _) = chosen(folder.path(), &["--device", "cpu"]);
    assert_eq!(info["adapter"]["backend"], "cpu");
}

#[test]
fn training_on_the_cpu_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let lines = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/io/a.jsonl"));
    let (lines, out) = (lines.to_str().unwrap(), out.to_str().unwrap());
    let (code, _, error) = cappy(&["adapt", "--device", "cpu", "--train", lines, "--out", out]);
    assert_eq!(code, Some(2), "{error}");
    assert!(error.contains("--device: is the CPU, and only a GPU trains"), "{error}");
}
