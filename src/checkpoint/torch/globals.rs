//! The names that a state dict's pickle may use.

use std::fmt;

use crate::checkpoint::dtype::Dtype;
use crate::checkpoint::view::Element;

/// A known name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Global {
    /// A dict.
    OrderedDict,
    /// A tensor over a storage.
    RebuildTensor,
    /// A tensor that was trained.
    RebuildParameter,
    /// The type of a storage's numbers.
    Storage(&'static str),
}

/// torch's storage types with numbers that weights are not made of. They may stand beside them.
const OTHER_STORAGES: [&str; 8] = [
    "LongStorage",
    "IntStorage",
    "ShortStorage",
    "CharStorage",
    "ByteStorage",
    "BoolStorage",
    "ComplexFloatStorage",
    "ComplexDoubleStorage",
];

impl Global {
    /// What a storage of this type holds.
    pub(super) fn element(self) -> Option<Element> {
        Some(match self {
            Global::Storage("DoubleStorage") => Element::Float(Dtype::F64),
            Global::Storage("FloatStorage") => Element::Float(Dtype::F32),
            Global::Storage("HalfStorage") => Element::Float(Dtype::F16),
            Global::Storage("BFloat16Storage") => Element::Float(Dtype::BF16),
            Global::Storage(name) => Element::Other(name.trim_end_matches("Storage").to_owned()),
            _ => return None,
        })
    }
}

impl fmt::Display for Global {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Global::OrderedDict => f.write_str("collections.OrderedDict"),
            Global::RebuildTensor => f.write_str("torch._utils._rebuild_tensor_v2"),
            Global::RebuildParameter => f.write_str("torch._utils._rebuild_parameter"),
            Global::Storage(name) => write!(f, "torch.{name}"),
        }
    }
}

/// Looks a name up, or refuses it.
pub(super) fn find(module: &str, name: &str) -> Result<Global, String> {
    match (module, name) {
        ("collections", "OrderedDict") => return Ok(Global::OrderedDict),
        ("torch._utils", "_rebuild_tensor_v2") => return Ok(Global::RebuildTensor),
        ("torch._utils", "_rebuild_parameter") => return Ok(Global::RebuildParameter),
        ("torch", name) => {
            let floats = ["DoubleStorage", "FloatStorage", "HalfStorage", "BFloat16Storage"];
            let mut known = floats.into_iter().chain(OTHER_STORAGES);
            if let Some(known) = known.find(|known| *known == name) {
                return Ok(Global::Storage(known));
            }
        }
        _ => {}
    }
    // The name is foreign: show it escaped and not at any length.
    let full: String = format!("{module}.{name}").chars().take(100).collect();
    let full = full.escape_debug();
    Err(format!("wants {full}, which no state dict of plain tensors needs; it was not executed"))
}
