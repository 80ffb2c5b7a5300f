//! A module that was built without the GPU and without the CPU, which computes nothing and says so.

use cappy::{Error, ErrorKind, LoadOptions, Result, Subgroups};

fn refuse<T>() -> Result<T> {
    let what = "was built without the features gpu and cpu, so it computes nothing";
    Err(Error::new(ErrorKind::Input, "this module", what))
}

pub fn options<'a>(_: &str, _: Option<&'a str>) -> Result<LoadOptions<'a>> {
    refuse()
}

pub async fn measure(
    _: Option<&str>,
    _: Option<&str>,
    _: Subgroups,
) -> Result<(String, Option<u32>)> {
    refuse()
}
