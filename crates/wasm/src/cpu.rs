//! How the options that JavaScript gives are meant where the CPU computes.

use cappy::{Error, ErrorKind, LoadOptions, Result, Subgroups};
use cappy_cpu::{Cpu, Numbers, pace_of};

/// What `weights` asks for. There are no kernels to choose from: JavaScript names the one for
/// adapters that are CPUs whatever computes.
pub fn options<'a>(weights: &str, _kernel: Option<&'a str>) -> Result<LoadOptions<'a>> {
    let cpu = match weights {
        "auto" => &Cpu { numbers: None },
        "i16" => &Cpu { numbers: Some(Numbers::I16) },
        "i8" => &Cpu { numbers: Some(Numbers::I8) },
        other => {
            let what = format!("is {other:?}; auto, i16 and i8 are known");
            return Err(Error::new(ErrorKind::Input, "cpuWeights", what));
        }
    };
    Ok(LoadOptions { backend: Some(cpu), ..LoadOptions::default() })
}

/// The microseconds of the fixed forward pass. Nothing is there to be remembered.
pub async fn measure(
    _kernel: Option<&str>,
    _tuning: Option<&str>,
    _subgroups: Subgroups,
) -> Result<(String, Option<u32>)> {
    Ok((String::new(), Some(pace_of(Numbers::default()).await?)))
}
