//! Every shader through naga's validator, with what plain WebGPU gives and no GPU.

use naga::AddressSpace;
use naga::valid::{Capabilities, ValidationFlags, Validator};

use crate::File;

/// `shaders/prelude_<name>.wgsl` for each way to read f16 numbers, and what it may use.
///
/// Packing and unpacking f16 in u32 is part of WGSL without any feature; naga counts it apart.
const PRELUDES: [(&str, Capabilities); 2] = [
    ("prelude_f16", Capabilities::SHADER_FLOAT16.union(Capabilities::SHADER_FLOAT16_IN_FLOAT32)),
    ("prelude_f32", Capabilities::SHADER_FLOAT16_IN_FLOAT32),
];

/// How the variants of matmul read their weights.
const WEIGHTS: [&[&str]; 3] = [
    &["prelude_weights_f16"],
    &["prelude_q8", "prelude_weights_quantised"],
    &["prelude_q4", "prelude_weights_quantised"],
];

// WebGPU's default limits, which every adapter has.
const MOST_INVOCATIONS: u32 = 256;
const MOST_WORKGROUP_BYTES: u32 = 16 << 10;
const MOST_STORAGE_BUFFERS: usize = 8;

/// Shaders that are not valid after one of the preludes, or need more than the default limits.
pub fn check_validity(files: &[File]) -> Vec<String> {
    let mut problems = Vec::new();
    for shader in kernels(files) {
        for (names, capabilities) in preludes(shader) {
            let found = names.iter().map(|name| files.iter().find(|file| file.stem() == *name));
            let Some(preludes) = found.collect::<Option<Vec<_>>>() else {
                problems.push(format!("shaders/{}.wgsl is missing", names.join(".wgsl or ")));
                continue;
            };
            let (folder, first): (Vec<&File>, Vec<&File>) =
                preludes.into_iter().partition(|file| file.path.matches('/').count() > 1);
            let text = |files: &[&File]| -> String {
                files.iter().map(|file| format!("{}\n", file.text)).collect()
            };
            let common = common(files, shader);
            let source = [&text(&first), common, "\n", &text(&folder), &shader.text].concat();
            let names = names.join(", ");
            match validate(&source, capabilities) {
                Err(why) => problems.push(format!("{} with {names}: {why}", shader.path)),
                Ok(module) => {
                    let over = over_limits(&module);
                    problems
                        .extend(over.map(|what| format!("{} with {names}: {what}", shader.path)));
                }
            }
        }
    }
    problems
}

/// What is put before a shader, in each way that it may be, and what it may use then.
fn preludes(shader: &File) -> Vec<(Vec<&'static str>, Capabilities)> {
    let plain = plain_preludes(shader);
    if !shader.path.starts_with("shaders/matmul/") {
        return plain;
    }
    let tile = tile(shader);
    let with = |weights: &'static [&'static str]| {
        plain.iter().map(move |(names, capabilities)| {
            let names = names.iter().chain(weights).chain(tile).copied().collect();
            (names, *capabilities)
        })
    };
    WEIGHTS.into_iter().flat_map(with).collect()
}

/// What the variants of matmul for CPUs share.
fn tile(shader: &File) -> &'static [&'static str] {
    match shader.path.as_str() {
        "shaders/matmul/lanes.wgsl" | "shaders/matmul/subgroup.wgsl" => &["prelude_tile"],
        _ => &[],
    }
}

/// The same without what reads the weights of a matmul.
fn plain_preludes(shader: &File) -> Vec<(Vec<&'static str>, Capabilities)> {
    match shader.stem() {
        // These run only where the adapter has what they need.
        "cooperative" => {
            let [(f16, plain), _] = PRELUDES;
            let more = plain | Capabilities::SUBGROUP | Capabilities::COOPERATIVE_MATRIX;
            let with = |side| (vec!["prelude_cooperative", f16, side], more);
            vec![with("prelude_16"), with("prelude_8")]
        }
        "subgroup" => {
            PRELUDES.map(|(name, plain)| (vec![name], plain | Capabilities::SUBGROUP)).to_vec()
        }
        _ => PRELUDES.map(|(name, plain)| (vec![name], plain)).to_vec(),
    }
}

/// Shaders whose bindings are not 0, 1, 2, ... of group 0.
pub fn check_bindings(files: &[File]) -> Vec<String> {
    let mut problems = Vec::new();
    for shader in kernels(files) {
        let weights =
            if shader.path.starts_with("shaders/matmul/") { &WEIGHTS[..] } else { &[&[][..]] };
        for weights in weights {
            let text = |stem: &str| {
                files.iter().find(|file| file.stem() == stem).map_or("", |file| file.text.as_str())
            };
            let mut parts = vec![text("prelude_f32"), common(files, shader)];
            parts.extend(weights.iter().chain(tile(shader)).map(|stem| text(stem)));
            parts.push(&shader.text);
            // What does not even parse is told by the check of validity.
            let Ok(module) = naga::front::wgsl::parse_str(&parts.join("\n")) else { continue };
            let mut bindings: Vec<(u32, u32)> = module
                .global_variables
                .iter()
                .filter_map(|(_, variable)| variable.binding.as_ref())
                .map(|binding| (binding.group, binding.binding))
                .collect();
            bindings.sort_unstable();
            let expected = (0..bindings.len() as u32).map(|binding| (0, binding));
            if !bindings.iter().copied().eq(expected) {
                problems.push(format!("{}: (group, binding) are {bindings:?}", shader.path));
            }
        }
    }
    problems
}

fn kernels(files: &[File]) -> impl Iterator<Item = &File> {
    files.iter().filter(|file| {
        file.is("shaders/", ".wgsl")
            && !file.stem().starts_with("prelude_")
            && file.stem() != "common"
    })
}

/// What is put before each shader of a folder.
fn common<'a>(files: &'a [File], shader: &File) -> &'a str {
    let folder = shader.path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let path = format!("{folder}/common.wgsl");
    files.iter().find(|file| file.path == path).map_or("", |file| &file.text)
}

fn validate(source: &str, capabilities: Capabilities) -> Result<naga::Module, String> {
    let module =
        naga::front::wgsl::parse_str(source).map_err(|error| error.emit_to_string(source))?;
    Validator::new(ValidationFlags::all(), capabilities)
        .subgroup_stages(naga::valid::ShaderStages::COMPUTE)
        .subgroup_operations(naga::valid::SubgroupOperationSet::all())
        .validate(&module)
        .map_err(|error| error.emit_to_string(source))?;
    Ok(module)
}

fn over_limits(module: &naga::Module) -> impl Iterator<Item = String> {
    let mut over = Vec::new();
    if module.entry_points.is_empty() {
        over.push("has no entry point".to_string());
    }
    for entry in &module.entry_points {
        let invocations: u32 = entry.workgroup_size.iter().product();
        if invocations > MOST_INVOCATIONS {
            over.push(format!("{invocations} invocations, at most {MOST_INVOCATIONS}"));
        }
    }
    let of = |wanted: fn(&AddressSpace) -> bool| {
        module.global_variables.iter().filter(move |(_, variable)| wanted(&variable.space))
    };
    let bytes: u32 = of(|space| matches!(space, AddressSpace::WorkGroup))
        .map(|(_, variable)| module.types[variable.ty].inner.size(module.to_ctx()))
        .sum();
    if bytes > MOST_WORKGROUP_BYTES {
        over.push(format!("{bytes} bytes of workgroup memory, at most {MOST_WORKGROUP_BYTES}"));
    }
    let buffers = of(|space| matches!(space, AddressSpace::Storage { .. })).count();
    if buffers > MOST_STORAGE_BUFFERS {
        over.push(format!("{buffers} storage buffers, at most {MOST_STORAGE_BUFFERS}"));
    }
    over.into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_preludes(kernel: &str) -> Vec<File> {
        vec![
            File::new("shaders/prelude_f16.wgsl", "enable f16;\nalias elem = f16;"),
            File::new("shaders/prelude_f32.wgsl", "alias elem = f32;"),
            File::new("shaders/kernel.wgsl", kernel),
        ]
    }

    fn kernel(globals: &str, body: &str) -> Vec<File> {
        with_preludes(&format!("{globals}\n@compute @workgroup_size(64) fn main() {{ {body} }}"))
    }

    #[test]
    fn a_valid_kernel_passes() {
        let files = kernel(
            "override N: u32 = 4u; var<workgroup> tile: array<vec4<f32>, 1024>;
             @group(0) @binding(0) var<storage, read_write> x: array<elem>;
             @group(0) @binding(1) var<storage> y: array<u32>;",
            "x[0] = elem(unpack2x16float(y[N]).x); tile[0] = vec4<f32>();",
        );
        assert_eq!(check_validity(&files), [""; 0]);
        assert_eq!(check_bindings(&files), [""; 0]);
    }

    #[test]
    fn what_no_prelude_makes_valid_is_found_twice() {
        for body in ["let x: u32 = 1.0;", "missing();", "let x = 1 +;"] {
            assert_eq!(check_validity(&kernel("", body)).len(), 2, "{body}");
        }
    }

    #[test]
    fn f16_without_its_prelude_is_found() {
        crate::assert_finds(check_validity(&kernel("", "let x = f16(1.0);")), "with prelude_f32");
    }

    #[test]
    fn features_beyond_plain_webgpu_are_found() {
        assert_eq!(check_validity(&kernel("", "let x = subgroupAdd(1u);")).len(), 2);
    }

    #[test]
    fn more_than_the_default_limits_is_found() {
        let tile = "var<workgroup> tile: array<vec4<f32>, 1025>;";
        assert!(check_validity(&kernel(tile, ""))[0].contains("16400 bytes"));
        let wide = with_preludes("@compute @workgroup_size(16, 17) fn main() {}");
        assert!(check_validity(&wide)[0].contains("272 invocations"));
        let buffer = |i| format!("@group(0) @binding({i}) var<storage> x{i}: array<u32>;\n");
        let nine: String = (0..9).map(buffer).collect();
        assert!(check_validity(&kernel(&nine, ""))[0].contains("9 storage buffers"));
    }

    #[test]
    fn a_missing_prelude_is_found() {
        let mut files = kernel("", "");
        files.remove(0);
        crate::assert_finds(check_validity(&files), "shaders/prelude_f16.wgsl is missing");
    }

    #[test]
    fn gaps_and_other_groups_are_found() {
        for binding in ["@group(0) @binding(1)", "@group(1) @binding(0)"] {
            let files = kernel(&format!("{binding} var<storage> x: array<u32>;"), "");
            crate::assert_finds(check_bindings(&files), "shaders/kernel.wgsl");
        }
    }
}
