//! The Python package `cappy`: what Python calls of the scorer. `python/cappy` has the rest of the package,
//! and its `_native.pyi` says for Python what is declared here.

mod arguments;
mod columns;
mod errors;
mod json;
mod scorer;
mod table;
mod texts;
mod worker;

use pyo3::prelude::*;

/// What is compiled of the package `cappy`.
#[pymodule(name = "_native")]
mod native {
    #[pymodule_export]
    use crate::scorer::{Scorer, load_again};
    #[pymodule_export]
    use crate::table::Table;

    use super::*;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
