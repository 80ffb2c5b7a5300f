//! The Rust code of the documentation, which `cargo test --doc` compiles. Each page is the comment of a module.
//! `tests/web/docs-code.test.mjs` knows by this list which pages are compiled, and looks after code in other languages.

#[doc = include_str!("../../../docs/rust.md")]
pub mod rust {}

#[doc = include_str!("../../../docs/evaluation.md")]
pub mod evaluation {}

#[doc = include_str!("../../cpu/README.md")]
pub mod cpu {}
