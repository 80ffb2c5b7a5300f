//! Half of the GPU tests need f16 shaders. This one says so first and plainly where an adapter
//! lacks them; `scripts/test` runs it before anything else.

use std::process::Command;

#[test]
fn the_adapter_has_f16_shaders() {
    let output = Command::new(env!("CARGO_BIN_EXE_cappy"))
        .args(["info", "--json", "--device", "gpu"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "no usable adapter, {said}");
    let info: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    println!("adapter: {}", info["adapter"]);
    assert_eq!(info["adapter"]["f16"], true, "the adapter has no f16 shaders: {}", info["adapter"]);
}
