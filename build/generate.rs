//! Rust code for the kernels: a module for each folder and file under `shaders/`, as src/ops uses it.

use std::collections::BTreeMap;

use super::kernels::{
    COOPERATIVE, Constant, F16, Files, Kernel, LARGEST_SUBGROUP, Reflection, SIDE,
    SMALLEST_SUBGROUP, SUBGROUPS, SUBGROUPS_OF_A_WORKGROUP, kernels,
};

/// A folder: what it contains by name, and the constants of its `common.wgsl`.
#[derive(Default)]
struct Folder {
    folders: BTreeMap<String, Folder>,
    kernels: BTreeMap<String, Vec<(Kernel, Reflection)>>,
}

/// The code of all kernels of `files`.
///
/// # Errors
/// What is wrong with their WGSL, and where.
pub fn rust(files: &Files) -> Result<String, String> {
    let mut root = Folder::default();
    for kernel in kernels(files) {
        let reflection = kernel.reflect(files)?;
        let (folders, name) = kernel.path().rsplit_once('/').unwrap_or(("", kernel.path()));
        let mut folder = &mut root;
        for name in folders.split('/').filter(|name| !name.is_empty()) {
            folder = folder.folders.entry(name.to_owned()).or_default();
        }
        folder.kernels.entry(name.to_owned()).or_default().push((kernel, reflection));
    }
    Ok(root.code("", "", &[]))
}

impl Folder {
    /// Every kernel in and below it.
    fn all(&self) -> Vec<&(Kernel, Reflection)> {
        let own = self.kernels.values().flatten();
        own.chain(self.folders.values().flat_map(Folder::all)).collect()
    }

    /// Its code, where `path` is its path with a slash at the end. The constants on which all of its
    /// kernels agree stand in its own module, and in none below; those of `outer` stand above.
    fn code(&self, path: &str, indent: &str, outer: &[(&str, &Constant)]) -> String {
        let inner = &format!("{indent}    ");
        let common = format!("{path}common");
        let own = agreed(&self.all(), |constant| constant.file == common);
        let mut code = constants(&own, indent);
        let outer = &[outer, &own].concat();
        for (name, folder) in &self.folders {
            let folder = folder.code(&format!("{path}{name}/"), inner, outer);
            code += &format!("{indent}pub mod {name} {{\n{folder}{indent}}}\n");
        }
        for (name, forms) in &self.kernels {
            let kernel = kernel(forms, inner, outer);
            code += &format!("{indent}pub mod {name} {{\n{kernel}{indent}}}\n");
        }
        code
    }
}

/// The code of one kernel in its forms: how many invocations a workgroup has, constants, and what
/// the executor needs.
fn kernel(forms: &[(Kernel, Reflection)], indent: &str, outer: &[(&str, &Constant)]) -> String {
    let all: Vec<_> = forms.iter().collect();
    let is_new = |constant: &Constant| outer.iter().all(|(_, known)| *known != constant);
    let mut code = constants(&agreed(&all, is_new), indent);
    let (first, reflection) = &forms[0];
    let (path, size) = (first.path(), reflection.workgroup_size);
    let agree = forms.iter().all(|(_, other)| other.workgroup_size == size);
    if let Some(size) = size.filter(|_| agree) {
        code += &format!(
            "{indent}/// Invocations of a workgroup of `shaders/{path}.wgsl`.\n\
             {indent}#[allow(dead_code)]\n\
             {indent}pub const WORKGROUP_SIZE: u32 = {size};\n"
        );
    }
    let values: Vec<_> =
        forms.iter().map(|(kernel, reflection)| value(kernel, reflection)).collect();
    let doc = format!("{indent}/// The kernel of `shaders/{path}.wgsl`");
    code += &match &values[..] {
        [value] => format!("{doc}.\n{indent}pub static KERNEL: crate::gpu::Kernel = {value};\n"),
        values => format!(
            "{doc} in each of its forms.\n\
             {indent}pub static KERNELS: [crate::gpu::Kernel; {}] = [{}];\n",
            values.len(),
            values.join(", ")
        ),
    };
    code
}

/// A `crate::gpu::Kernel`.
fn value(kernel: &Kernel, reflection: &Reflection) -> String {
    let source = |part: &String| {
        format!(
            "crate::gpu::Source {{ file: {part:?}, \
             text: include_str!(concat!(env!(\"OUT_DIR\"), \"/shaders/{part}.wgsl\")) }}"
        )
    };
    let sources: Vec<_> = kernel.parts.iter().map(source).collect();
    let access = |written: &bool| if *written { "Write" } else { "Read" };
    let storage: Vec<_> = reflection
        .storage
        .iter()
        .map(|written| format!("crate::gpu::Access::{}", access(written)))
        .collect();
    let needs = if kernel.enables(COOPERATIVE) {
        let of = |name| &reflection.constants[name].value;
        let (subgroups, side) = (of(SUBGROUPS_OF_A_WORKGROUP), of(SIDE));
        format!("CooperativeMatrices {{ subgroups: {subgroups}, side: {side} }}")
    } else if kernel.enables(SUBGROUPS) {
        let of = |name| reflection.constants.get(name).map(|constant| constant.value.as_str());
        let (smallest, largest) = (of(SMALLEST_SUBGROUP), of(LARGEST_SUBGROUP));
        let (smallest, largest) = (smallest.unwrap_or("1"), largest.unwrap_or("u32::MAX"));
        format!("Subgroups {{ smallest: {smallest}, largest: {largest} }}")
    } else if kernel.enables(F16) {
        "F16".to_owned()
    } else {
        "Nothing".to_owned()
    };
    format!(
        "crate::gpu::Kernel {{ name: {:?}, sources: &[{}], storage: &[{}], \
         needs: crate::gpu::Needs::{needs} }}",
        kernel.name,
        sources.join(", "),
        storage.join(", ")
    )
}

/// The constants that are `wanted` and on which all of `kernels` that have them agree, by name.
fn agreed<'a>(
    kernels: &[&'a (Kernel, Reflection)],
    wanted: impl Fn(&Constant) -> bool,
) -> Vec<(&'a str, &'a Constant)> {
    let mut found: BTreeMap<&str, Option<&Constant>> = BTreeMap::new();
    for (_, reflection) in kernels {
        for (name, constant) in reflection.constants.iter().filter(|(_, it)| wanted(it)) {
            let known = found.entry(name).or_insert(Some(constant));
            if *known != Some(constant) {
                *known = None;
            }
        }
    }
    // The size of a workgroup is told by its attribute.
    found.remove("WORKGROUP_SIZE");
    found.into_iter().filter_map(|(name, constant)| Some((name, constant?))).collect()
}

/// The code of some constants.
fn constants(constants: &[(&str, &Constant)], indent: &str) -> String {
    let mut code = String::new();
    for (name, Constant { of, value, comment, file }) in constants {
        let stop = if comment.is_empty() { "." } else { &format!(": {comment}.") };
        code += &format!(
            "{indent}/// `{name}` of `shaders/{file}.wgsl`{stop}\n\
             {indent}#[allow(dead_code)]\n\
             {indent}pub const {name}: {of} = {value};\n"
        );
    }
    code
}
