//! `cappy notices`: under what terms others' work is in this program.

use crate::failure::{Outcome, Result};
use crate::output;

/// Show the licences of the software that this program contains
#[derive(clap::Args)]
pub struct Args {}

pub fn run(_: Args) -> Result<Outcome> {
    output::print(include_str!("../../../notices/native.txt"))
}
