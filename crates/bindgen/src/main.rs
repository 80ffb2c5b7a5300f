//! Writes the JavaScript and the type declarations that belong to one of the WebAssembly modules,
//! as the program `wasm-bindgen --target web` does. That program also contains test servers for
//! browsers, which take minutes to compile and are not needed here.

use std::{env, process::ExitCode};

use wasm_bindgen_cli_support::Bindgen;

fn main() -> ExitCode {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let [module, folder, name] = arguments.as_slice() else {
        eprintln!("usage: cappy-bindgen MODULE.wasm FOLDER NAME");
        return ExitCode::from(2);
    };
    let mut bindgen = Bindgen::new();
    let written = bindgen
        .input_path(module)
        .out_name(name)
        .typescript(true)
        .omit_default_module_path(false)
        .web(true)
        .and_then(|bindgen| bindgen.generate(folder));
    match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cappy-bindgen: {module}: {error:#}");
            ExitCode::FAILURE
        }
    }
}
