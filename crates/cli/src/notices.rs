//! `cappy notices`: under what terms others' work is in this program.

use crate::failure::{Outcome, Result};
use crate::output;

/// Show whose work this program contains, the model's too, and its licences
#[derive(clap::Args)]
pub struct Args {}

pub fn run(_: Args) -> Result<Outcome> {
    output::print(include_str!("notices.txt"))
}
