//! Every kernel through naga's validator, with what plain WebGPU gives and no GPU. How a kernel is put
//! together, and its bindings, are the business of build/kernels.rs, which is tested here, too.

use naga::AddressSpace;
use naga::valid::{Capabilities, ValidationFlags, Validator};

use crate::kernels::{COOPERATIVE, Files, Kernel, SUBGROUPS, kernels};

// WebGPU's default limits, which every adapter has.
const MOST_INVOCATIONS: u32 = 256;
const MOST_WORKGROUP_BYTES: u32 = 16 << 10;
const MOST_STORAGE_BUFFERS: usize = 8;

/// Kernels that are not valid after one of their preludes, or need more than the default limits.
pub fn check(files: &Files) -> Vec<String> {
    let mut problems = Vec::new();
    for kernel in kernels(files) {
        if let Err(why) = kernel.reflect(files) {
            problems.push(why);
            continue;
        }
        for prelude in kernel.preludes() {
            let named = |what: String| format!("{} with {prelude}: {what}", kernel.name);
            match validate(&kernel, files, prelude) {
                Err(why) => problems.push(named(why)),
                Ok(module) => problems.extend(over_limits(&module).into_iter().map(named)),
            }
        }
    }
    problems
}

fn validate(kernel: &Kernel, files: &Files, prelude: &str) -> Result<naga::Module, String> {
    let module = kernel.parse(files, prelude)?;
    // Packing and unpacking f16 in u32 is part of WGSL without any feature; naga counts it apart.
    let mut capabilities = Capabilities::SHADER_FLOAT16_IN_FLOAT32;
    capabilities.set(Capabilities::SHADER_FLOAT16, prelude == "prelude_f16");
    // Kernels that enable these run only where the adapter has them; matrices are of subgroups.
    let matrices = kernel.enables(COOPERATIVE);
    capabilities.set(Capabilities::SUBGROUP, matrices || kernel.enables(SUBGROUPS));
    capabilities.set(Capabilities::COOPERATIVE_MATRIX, matrices);
    Validator::new(ValidationFlags::all(), capabilities)
        .subgroup_stages(naga::valid::ShaderStages::COMPUTE)
        .subgroup_operations(naga::valid::SubgroupOperationSet::all())
        .validate(&module)
        .map_err(|error| match kernel.source(files, prelude) {
            Ok(source) => error.emit_to_string(&source),
            Err(why) => why,
        })?;
    Ok(module)
}

fn over_limits(module: &naga::Module) -> Vec<String> {
    let mut over = Vec::new();
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
    over
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generate;

    const UNIFORM: &str = "@group(0) @binding(0) var<uniform> params: vec4<u32>;\n";

    fn with(path: &str, text: &str) -> Files {
        let files = [
            ("prelude_f16", "enable f16;\nalias elem = f16;"),
            ("prelude_f32", "alias elem = f32;"),
            ("common", "const SHARED: u32 = 7u; // what both share\nconst HIDDEN = vec2(1u);"),
            (path, text),
        ];
        files.map(|(path, text)| (path.to_owned(), text.to_owned())).into()
    }

    fn kernel(globals: &str, body: &str) -> Files {
        let main = format!("@compute @workgroup_size(64) fn main() {{ {body} }}");
        with("kernel", &format!("{UNIFORM}{globals}\n{main}"))
    }

    #[test]
    fn a_valid_kernel_passes() {
        let files = kernel(
            "override N: u32 = 4u; var<workgroup> tile: array<vec4<f32>, 1024>;
             @group(0) @binding(1) var<storage, read_write> x: array<elem>;
             @group(0) @binding(2) var<storage> y: array<u32>;",
            "x[0] = elem(unpack2x16float(y[N]).x); tile[0] = vec4<f32>();",
        );
        assert_eq!(check(&files), [""; 0]);
    }

    #[test]
    fn what_is_wrong_is_found_with_its_file_and_line() {
        for body in ["let x: u32 = 1.0;", "missing();", "let x = 1 +;"] {
            crate::assert_finds(check(&kernel("", body)), "shaders/kernel.wgsl:3:");
        }
        let mut files = kernel("", "");
        files.insert("common".into(), "// A comment.\nfn f() { missing(); }".into());
        crate::assert_finds(check(&files), "shaders/common.wgsl:2:");
    }

    #[test]
    fn what_is_valid_with_one_prelude_alone_is_found() {
        let files = kernel("var<private> x: elem;", "x = 1.0f;");
        crate::assert_finds(check(&files), "kernel with prelude_f16:");
    }

    #[test]
    fn features_beyond_plain_webgpu_are_found_unless_they_are_enabled() {
        let body = "let x = subgroupAdd(1u);";
        assert_eq!(check(&kernel("", body)).len(), 2);
        let mut files = kernel("", body);
        let text = format!("// Sums.\nenable subgroups;\n{}", files["kernel"]);
        files.insert("kernel".into(), text);
        assert_eq!(check(&files), [""; 0]);
    }

    #[test]
    fn more_than_the_default_limits_is_found() {
        let tile = "var<workgroup> tile: array<vec4<f32>, 1025>;";
        assert!(check(&kernel(tile, ""))[0].contains("16400 bytes"));
        let wide = format!("{UNIFORM}@compute @workgroup_size(16, 17) fn main() {{}}");
        assert!(check(&with("kernel", &wide))[0].contains("272 invocations"));
        let buffer = |i| format!("@group(0) @binding({i}) var<storage> x{i}: array<u32>;\n");
        let nine: String = (1..10).map(buffer).collect();
        assert!(check(&kernel(&nine, ""))[0].contains("9 storage buffers"));
    }

    #[test]
    fn a_file_that_is_missing_is_found() {
        let mut files = kernel("", "");
        files.remove("prelude_f32");
        crate::assert_finds(check(&files), "shaders/prelude_f32.wgsl is missing");
    }

    #[test]
    fn bindings_must_be_a_uniform_and_storage_without_gaps() {
        for binding in [
            "@group(0) @binding(2) var<storage> x: array<u32>;",
            "@group(1) @binding(1) var<storage> x: array<u32>;",
            "@group(0) @binding(1) var<uniform> x: vec4<u32>;",
        ] {
            crate::assert_finds(check(&kernel(binding, "")), "has other bindings");
        }
        let main = "@compute @workgroup_size(1) fn main() {}";
        let storage = format!("@group(0) @binding(0) var<storage> x: array<u32>;\n{main}");
        crate::assert_finds(check(&with("kernel", &storage)), "has other bindings");
        let two = "@compute @workgroup_size(1) fn other() {}";
        crate::assert_finds(check(&kernel(two, "")), "has not one entry point");
    }

    #[test]
    fn rust_has_what_a_kernel_says_of_itself() {
        let text = format!(
            "enable subgroups;\nconst ROWS: u32 = 2u * SHARED;  // rows of a tile\n\
             const LARGEST_SUBGROUP: u32 = 32u;\n{UNIFORM}\
             @group(0) @binding(2) var<storage, read_write> out: array<u32>;\n\
             @group(0) @binding(1) var<storage, read> x: array<u32>;\n\
             @compute @workgroup_size(4, 8) fn main() {{ out[0] = x[0]; }}"
        );
        let code = generate::rust(&with("folder/kernel", &text)).unwrap();
        for line in [
            "/// `SHARED` of `shaders/common.wgsl`: what both share.",
            "pub const SHARED: u32 = 7;",
            "    pub mod kernel {",
            "        /// `ROWS` of `shaders/folder/kernel.wgsl`: rows of a tile.",
            "        pub const ROWS: u32 = 14;",
            "        pub const WORKGROUP_SIZE: u32 = 32;",
        ] {
            assert!(code.lines().any(|there| there == line), "{line}: {code}");
        }
        for part in [
            "name: \"folder kernel\"",
            "storage: &[crate::gpu::Access::Read, crate::gpu::Access::Write]",
            "needs: crate::gpu::Needs::Subgroups { smallest: 1, largest: 32 }",
        ] {
            assert!(code.contains(part), "{part}: {code}");
        }
        assert!(!code.contains("HIDDEN"), "{code}");
    }

    #[test]
    fn a_kernel_is_called_by_its_folder_and_file() {
        for (path, name) in [
            ("gelu", "gelu"),
            ("attention/gpu/tiles", "attention tiles"),
            ("layer_norm/deep/lanes", "layer_norm lanes"),
            ("training/gelu", "gelu"),
            ("training/backward/keys", "backward keys"),
        ] {
            assert_eq!(kernels(&with(path, ""))[0].name, name);
        }
    }

    #[test]
    fn matmuls_have_a_form_for_each_format_of_weights() {
        let main = format!("{UNIFORM}@compute @workgroup_size(BITS) fn main() {{}}");
        let mut files = with("matmul/kernel", &main);
        let quantised = "const BITS: u32 = 32u / EIGHTH;";
        for (path, text) in [
            ("matmul/weights_f16", "const BITS: u32 = 16u;"),
            ("matmul/weights_quantised", quantised),
            ("matmul/weights_q8", "const EIGHTH: u32 = 4u;"),
            ("matmul/weights_q4", "const EIGHTH: u32 = 8u;"),
        ] {
            files.insert(path.into(), text.into());
        }
        let names: Vec<_> = kernels(&files).into_iter().map(|kernel| kernel.name).collect();
        assert_eq!(names, ["matmul kernel", "matmul kernel q8", "matmul kernel q4"]);
        let code = generate::rust(&files).unwrap();
        assert!(code.contains("KERNELS: [crate::gpu::Kernel; 3]"), "{code}");
        // The forms do not agree on it.
        assert!(!code.contains("BITS"), "{code}");
    }
}
