//! The notices of work by others, which go with what we give out, are of the crates that the lock
//! file has now and of the embedded model. `scripts/notices.mjs` writes them.

#![cfg(not(target_arch = "wasm32"))]

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::{env, fs};

use serde_json::{Map, Value};

/// The crates of a product, as `name version`, by what cargo itself would build.
fn built(product: &Value) -> BTreeSet<String> {
    let words = |field: &str| {
        let words = product[field].as_array().unwrap().iter();
        words.map(|word| word.as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let mut crates = BTreeSet::new();
    for target in words("targets") {
        let mut cargo = Command::new(env!("CARGO"));
        cargo
            .args(["tree", "--locked", "--edges", "normal", "--prefix", "none", "--format", "{p}"]);
        cargo.args(["--package", product["package"].as_str().unwrap(), "--target", &target]);
        cargo.args(["--no-default-features", "--features"]);
        cargo.arg(words("features").join(" ")).current_dir(env!("CARGO_MANIFEST_DIR"));
        let output = cargo.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        for line in String::from_utf8(output.stdout).unwrap().lines() {
            let mut parts = line.split(' ');
            let (name, version) = (parts.next().unwrap(), parts.next().unwrap());
            crates.insert(format!("{name} {}", version.trim_start_matches('v')));
        }
    }
    crates.retain(|name| !name.starts_with("cappy"));
    crates
}

/// The crates that a notice lists, in the section of that name.
fn listed(notice: &str) -> BTreeSet<String> {
    let (_, rest) = notice.split_once("\nCrates\n------\n\n").expect("a section of crates");
    let lines = rest.lines().take_while(|line| !line.is_empty());
    lines.map(|line| line.split_once(": ").expect("a licence").0.to_owned()).collect()
}

/// The products by name.
fn products() -> Map<String, Value> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let products = fs::read_to_string(root.join("notices/products.json")).unwrap();
    serde_json::from_str(&products).unwrap()
}

/// The notice of a product, and where it is.
fn notice_of(product: &Value) -> (String, &str) {
    let file = product["file"].as_str().unwrap();
    (fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap(), file)
}

#[test]
fn the_notices_name_every_crate_of_the_lock_file_that_is_given_out_and_no_other() {
    let products = products();
    for product in products.values() {
        let (notice, file) = notice_of(product);
        let (built, listed) = (built(product), listed(&notice));
        assert!(built.len() > 50, "{file}: {built:?}");
        let missing: Vec<_> = built.difference(&listed).collect();
        let old: Vec<_> = listed.difference(&built).collect();
        let help = "run scripts/notices.mjs, which says how";
        assert!(
            missing.is_empty() && old.is_empty(),
            "{file} lacks {missing:?} and has {old:?} too many: {help}"
        );
        // Every crate has its text below the list.
        let texts = &notice[notice.find("\nFor ").expect("texts")..];
        for each in &listed {
            assert!(texts.contains(each.as_str()), "{file} has no licence's text for {each}");
        }
    }
    let (native, _) = notice_of(&products["native"]);
    for licence in
        ["MIT License", "zlib License", "Mozilla Public License 2.0", "Apache License 2.0"]
    {
        assert!(native.contains(&format!("\n{licence}\n---")), "{licence}");
    }
}

#[test]
fn the_notices_hold_the_embedded_models_attributions_and_the_licence_of_its_base() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let of_model =
        |file: &str| fs::read_to_string(root.join("models/cappy-small").join(file)).unwrap();
    for product in products().values() {
        let (notice, path) = notice_of(product);
        for file in ["NOTICE.txt", "all-MiniLM-L6-v2.NOTICE.txt", "all-MiniLM-L6-v2.LICENSE.txt"] {
            assert!(
                notice.contains(of_model(file).trim()),
                "{path} is older than models/cappy-small/{file}: run \
                 `node scripts/notices.mjs --model-only`"
            );
        }
    }
    // These licences ask for the names of what they are for, and for their own addresses.
    let own = of_model("NOTICE.txt");
    for (licence, data) in
        [("by/4.0/", "BLiMP"), ("by-sa/4.0/", "OpenTriviaQA"), ("by-sa/3.0/", "BoolQ")]
    {
        let section = own.split("\n\n").find(|part| {
            let first = part.lines().next().unwrap();
            first.contains(&format!("https://creativecommons.org/licenses/{licence}"))
        });
        let section = section.unwrap_or_else(|| panic!("no section for {licence}"));
        assert!(section.contains(&format!("\n- {data}, by ")), "{data}");
    }
}
