//! What the compiler does not check: who may use whom, that every shader is valid for both
//! preludes without a GPU, that what stands in two languages agrees, and that files stay short. Every check is a function over texts, and has a test that it finds what it looks for.

mod conditions;
mod docs;
#[path = "../../build/generate.rs"]
mod generate;
#[path = "../../build/kernels.rs"]
mod kernels;
mod layers;
mod paths;
mod shaders;
mod text;
mod web;

use std::path::{Path, PathBuf};
use std::{fs, io};

/// A file of this repository.
pub struct File {
    /// Its path from the repository's root, with `/` between folders.
    pub path: String,
    pub(crate) text: String,
}

impl File {
    fn new(path: &str, text: &str) -> File {
        File { path: path.into(), text: text.into() }
    }

    /// The file's name without folder and extension.
    pub fn stem(&self) -> &str {
        let name = self.path.rsplit('/').next().unwrap_or_default();
        name.split('.').next().unwrap_or_default()
    }

    /// Whether it lies under `folder` and its name ends in `ending`.
    pub fn is(&self, folder: &str, ending: &str) -> bool {
        self.path.starts_with(folder) && self.path.ends_with(ending)
    }
}

/// The files of `folders` that people write, in order.
fn files(folders: &[&str]) -> Vec<File> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths = Vec::new();
    for folder in folders {
        let before = paths.len();
        collect(&root.join(folder), &mut paths).unwrap();
        // A check of nothing would pass.
        assert!(paths.len() > before, "{folder} has no files");
    }
    paths.sort();
    paths
        .into_iter()
        .filter_map(|path| {
            let name = path.strip_prefix(root).unwrap().to_str().unwrap().replace('\\', "/");
            let written = [".rs", ".wgsl", ".py", ".ts", ".js", ".mjs", ".css"]
                .iter()
                .any(|ending| name.ends_with(ending));
            written.then(|| File { path: name, text: fs::read_to_string(&path).unwrap() })
        })
        .collect()
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, paths)?;
        } else {
            paths.push(path);
        }
    }
    Ok(())
}

/// Fails with all problems at once.
fn assert_none(problems: Vec<String>) {
    assert!(problems.is_empty(), "\n{}\n", problems.join("\n"));
}

/// Asserts that exactly one problem was found and that it says `what`.
fn assert_finds(problems: Vec<String>, what: &str) {
    assert!(problems.len() == 1 && problems[0].contains(what), "{what}: {problems:?}");
}

#[test]
fn modules_use_only_the_layers_below() {
    assert_none(layers::check(&files(&["src"])));
}

#[test]
fn code_that_only_some_builds_have_is_rare() {
    assert_none(conditions::check(&files(&["src", "crates", "build"])));
}

#[test]
fn shaders_are_valid_with_both_preludes() {
    let shaders = Path::new(env!("CARGO_MANIFEST_DIR")).join("shaders");
    assert_none(shaders::check(&kernels::read(&shaders).unwrap()));
}

#[test]
fn the_kernel_that_the_documentation_adds_is_valid() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = kernels::read(&root.join("shaders")).unwrap();
    let page = fs::read_to_string(root.join("docs/adding-a-kernel.md")).unwrap();
    let (_, block) = page.split_once("```wgsl\n").expect("a block of WGSL");
    files.insert("scale".into(), block.split_once("```").expect("its end").0.into());
    assert_none(shaders::check(&files));
}

#[test]
fn crate_and_npm_package_agree() {
    let read =
        |path: &str| fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap();
    assert_none(web::check(&web::Texts {
        cargo: &read("Cargo.toml"),
        package: &read("package.json"),
        lanes: &read("src/ops/matmul/lanes.rs"),
        opening: &read("js/opening.ts"),
        tuning: &read("js/tuning.ts"),
        error_rs: &read("src/error.rs"),
        error_ts: &read("js/error.ts"),
    }));
}

#[test]
fn files_are_short() {
    let mut files =
        files(&["src", "crates", "shaders", "tests", "scripts", "js", "www", "extension"]);
    // What is built is nobody's to read.
    files.retain(|file| {
        !["js/wasm/", "js/adapt/wasm/", "js/cpu/wasm/", "js/families/wasm/", "extension/dist/"]
            .iter()
            .any(|at| file.path.starts_with(at))
    });
    assert_none(text::check_length(&files));
}

#[test]
fn doc_comments_name_only_what_exists() {
    // Of the plain JavaScript in www/ the compiler of TypeScript says so.
    let mut problems = docs::check_rust(&files(&["src", "crates", "shaders", "tests", "benches"]));
    problems.extend(docs::check_typescript(&files(&["js", "extension"])));
    assert_none(problems);
}

#[test]
fn nothing_is_left_to_do() {
    assert_none(text::check_markers(&files(&["src", "crates", "shaders"])));
}
