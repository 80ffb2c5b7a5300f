//! The kernels under `shaders/`: which files each is put together from, and what Rust must know of
//! it, read from its WGSL by naga. build.rs makes Rust of it; tests/structure checks it.
//!
//! Every file is a kernel but those that stand before kernels: `prelude_*.wgsl` (how numbers lie in
//! memory, chosen when a device is opened), `common.wgsl` (before each kernel in and below its
//! folder) and `weights_*.wgsl` (see [`FORMS`]).

use std::collections::BTreeMap;
use std::path::Path;
use std::{fs, io};

use naga::{AddressSpace, Expression, Literal, StorageAccess};

/// The texts of WGSL files by their paths, without folder `shaders/` and extension.
pub type Files = BTreeMap<String, String>;

/// A form of a kernel: what follows its name, and what stands before it.
type Form = (&'static str, &'static [&'static str]);

/// The forms of each kernel below a folder. All other kernels have one form, with nothing before it.
const FORMS: [(&str, &[Form]); 1] = [(
    "matmul/",
    &[
        ("", &["matmul/weights_f16"]),
        (" q8", &["matmul/weights_quantised", "matmul/weights_q8"]),
        (" q4", &["matmul/weights_quantised", "matmul/weights_q4"]),
    ],
)];
const ONE_FORM: &[Form] = &[("", &[])];

/// The extension of WGSL for matrix units, which only wgpu knows.
pub const COOPERATIVE: &str = "wgpu_cooperative_matrix";
/// WGSL's extension for subgroups.
pub const SUBGROUPS: &str = "subgroups";
/// WGSL's extension for f16.
pub const F16: &str = "f16";

/// The constants by which kernels with matrix units say how many subgroups a workgroup has, and the side of
/// their tiles.
pub const SUBGROUPS_OF_A_WORKGROUP: &str = "SUBGROUPS";
pub const SIDE: &str = "SIDE";

/// The constants by which kernels with subgroups say how many invocations these may have. Without them it may be
/// any number.
pub const SMALLEST_SUBGROUP: &str = "SMALLEST_SUBGROUP";
pub const LARGEST_SUBGROUP: &str = "LARGEST_SUBGROUP";

/// One form of a kernel.
#[derive(Debug, Clone)]
pub struct Kernel {
    /// What messages and timings call it, with its form: see [`name`].
    pub name: String,
    /// The files it is put together from, after a prelude; its own is the last.
    pub parts: Vec<String>,
    /// The extensions of WGSL that these files enable.
    pub extensions: Vec<String>,
}

/// What WGSL says of a kernel.
#[derive(Debug)]
pub struct Reflection {
    /// Invocations of a workgroup, unless they are overridden when the pipeline is made.
    pub workgroup_size: Option<u32>,
    /// Whether the kernel writes storage binding 1, 2, ….
    pub storage: Vec<bool>,
    /// Its constants by name.
    pub constants: BTreeMap<String, Constant>,
}

/// A constant of a kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Constant {
    /// Its type, in Rust.
    pub of: &'static str,
    /// Its value, in Rust.
    pub value: String,
    /// The comment behind it.
    pub comment: String,
    /// The file that declares it.
    pub file: String,
}

/// Reads all `.wgsl` files of `folder`.
pub fn read(folder: &Path) -> io::Result<Files> {
    let mut files = Files::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "wgsl") {
                let name = path.strip_prefix(folder).expect("it lies in the folder");
                let name = name.with_extension("").to_string_lossy().replace('\\', "/");
                files.insert(name, fs::read_to_string(&path)?);
            }
        }
    }
    Ok(files)
}

/// The text of file `path` without comments and indentation. Lines stay where they are, so that what
/// a compiler says of them fits the file. Lines that enable extensions would have to stand before
/// everything else: they stay in preludes, which do, and the executor knows those of kernels.
pub fn strip(path: &str, text: &str) -> String {
    let mut stripped = String::new();
    for line in text.lines() {
        // WGSL has no strings that two slashes could stand in.
        let code = line.split("//").next().unwrap_or_default().trim();
        if path.starts_with("prelude_") || extension(code).is_none() {
            stripped += code;
        }
        stripped.push('\n');
    }
    stripped
}

/// The extension that a line of a kernel enables.
fn extension(line: &str) -> Option<&str> {
    line.strip_prefix("enable ")?.strip_suffix(';')
}

/// The folder of a kernel below `shaders/` or `shaders/training/`, if it has one, and its file.
fn name(path: &str) -> String {
    let path = path.strip_prefix("training/").unwrap_or(path);
    match (path.split_once('/'), path.rsplit_once('/')) {
        (Some((folder, _)), Some((_, file))) => format!("{folder} {file}"),
        _ => path.to_owned(),
    }
}

/// All kernels in all their forms, by path.
pub fn kernels(files: &Files) -> Vec<Kernel> {
    let paths = files.keys().filter(|path| {
        let name = path.rsplit('/').next().unwrap_or_default();
        name != "common" && !name.starts_with("prelude_") && !name.starts_with("weights_")
    });
    let mut kernels = Vec::new();
    for path in paths {
        let folders = path.match_indices('/').map(|(end, _)| &path[..end + 1]);
        let commons = [""].into_iter().chain(folders).map(|folder| format!("{folder}common"));
        let commons: Vec<String> = commons.filter(|common| files.contains_key(common)).collect();
        let forms = FORMS.iter().find(|(folder, _)| path.starts_with(folder));
        for (form, before) in forms.map_or(ONE_FORM, |(_, forms)| forms) {
            let mut parts = commons.clone();
            parts.extend(before.iter().map(ToString::to_string));
            parts.push(path.clone());
            let texts = parts.iter().filter_map(|part| files.get(part));
            let lines = texts.flat_map(|text| text.lines());
            let extensions = lines.filter_map(extension).map(String::from).collect();
            kernels.push(Kernel { name: format!("{}{form}", name(path)), parts, extensions });
        }
    }
    kernels
}

impl Kernel {
    /// The path of its own file.
    pub fn path(&self) -> &str {
        self.parts.last().expect("a kernel has a file")
    }

    /// Whether one of its files enables this extension.
    pub fn enables(&self, extension: &str) -> bool {
        self.extensions.iter().any(|enabled| enabled == extension)
    }

    /// The preludes that it may follow: matrix units, and kernels that say so, multiply f16 alone.
    pub fn preludes(&self) -> &'static [&'static str] {
        match self.enables(COOPERATIVE) || self.enables(F16) {
            true => &["prelude_f16"],
            false => &["prelude_f32", "prelude_f16"],
        }
    }

    /// Its WGSL after this prelude, as src/gpu/executor.rs puts it together.
    ///
    /// # Errors
    /// The file that is missing.
    pub fn source(&self, files: &Files, prelude: &str) -> Result<String, String> {
        // naga has subgroups without being told, and refuses the line.
        let mut source = match self.enables(COOPERATIVE) {
            true => format!("enable {COOPERATIVE};"),
            false => String::new(),
        };
        for part in [prelude].into_iter().chain(self.parts.iter().map(String::as_str)) {
            let text = files.get(part).ok_or(format!("shaders/{part}.wgsl is missing"))?;
            source += &strip(part, text);
        }
        Ok(source)
    }

    /// The file, and the line of it, that stands at `line` of [`Kernel::source`]; both from 1.
    fn place(&self, files: &Files, prelude: &str, line: usize) -> (String, usize) {
        let mut left = line;
        for part in [prelude].into_iter().chain(self.parts.iter().map(String::as_str)) {
            let lines = files.get(part).map_or(0, |text| text.lines().count());
            if left <= lines {
                return (part.to_owned(), left);
            }
            left -= lines;
        }
        (self.path().to_owned(), left)
    }

    /// Its WGSL after this prelude, understood.
    ///
    /// # Errors
    /// What naga finds wrong with it, and where.
    pub fn parse(&self, files: &Files, prelude: &str) -> Result<naga::Module, String> {
        let source = self.source(files, prelude)?;
        naga::front::wgsl::parse_str(&source).map_err(|error| {
            let line = error.location(&source).map_or(0, |place| place.line_number as usize);
            let (file, line) = self.place(files, prelude, line);
            format!("shaders/{file}.wgsl:{line}: {}", error.emit_to_string(&source))
        })
    }

    /// What it says of itself.
    ///
    /// # Errors
    /// What is wrong with its WGSL, entry point or bindings, and where.
    pub fn reflect(&self, files: &Files) -> Result<Reflection, String> {
        let prelude = self.preludes()[0];
        let module = self.parse(files, prelude)?;
        let at_fault = |what: &str| format!("shaders/{}.wgsl: {what}", self.path());
        let [entry] = &module.entry_points[..] else {
            return Err(at_fault("has not one entry point"));
        };
        let size = entry.workgroup_size.iter().product();
        let source = self.source(files, prelude)?;
        let constant = |(handle, constant): (_, &naga::Constant)| {
            let Expression::Literal(literal) = module.global_expressions[constant.init] else {
                return None;
            };
            let span: naga::Span = module.constants.get_span(handle);
            let line = span.location(&source).line_number as usize;
            let (file, line) = self.place(files, prelude, line);
            let comment = files[&file].lines().nth(line - 1)?.split_once("//");
            let comment = comment.map_or("", |(_, comment)| comment.trim()).to_owned();
            let (of, value) = rust(literal)?;
            Some((constant.name.clone()?, Constant { of, value, comment, file }))
        };
        let constants: BTreeMap<_, _> = module.constants.iter().filter_map(constant).collect();
        let needed = [SUBGROUPS_OF_A_WORKGROUP, SIDE];
        let missing = needed.iter().find(|name| !constants.contains_key(**name));
        if let Some(missing) = missing.filter(|_| self.enables(COOPERATIVE)) {
            return Err(at_fault(&format!("enables matrix units and has no constant {missing}")));
        }
        Ok(Reflection {
            workgroup_size: entry.workgroup_size_overrides.is_none().then_some(size),
            storage: storage(&module).ok_or_else(|| {
                at_fault("has other bindings than 0, 1, 2, … of group 0: a uniform, then storage")
            })?,
            constants,
        })
    }
}

/// The type and value of `literal` in Rust.
fn rust(literal: Literal) -> Option<(&'static str, String)> {
    match literal {
        Literal::U32(value) => Some(("u32", value.to_string())),
        Literal::I32(value) => Some(("i32", value.to_string())),
        Literal::F32(value) => Some(("f32", format!("{value:?}"))),
        _ => None,
    }
}

/// Whether storage bindings 1, 2, … are written; `None` where bindings are numbered otherwise.
fn storage(module: &naga::Module) -> Option<Vec<bool>> {
    let mut bindings: Vec<_> = module
        .global_variables
        .iter()
        .filter_map(|(_, variable)| {
            let binding = variable.binding?;
            Some(((binding.group, binding.binding), variable.space))
        })
        .collect();
    bindings.sort_by_key(|(binding, _)| *binding);
    let expected = (0..bindings.len() as u32).map(|binding| (0, binding));
    if !bindings.iter().map(|(binding, _)| *binding).eq(expected) {
        return None;
    }
    let (first, others) = bindings.split_first()?;
    let written = others.iter().map(|(_, space)| match space {
        AddressSpace::Storage { access } => Some(access.contains(StorageAccess::STORE)),
        _ => None,
    });
    (first.1 == AddressSpace::Uniform).then(|| written.collect())?
}
