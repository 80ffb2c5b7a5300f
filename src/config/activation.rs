//! The functions between the two dense layers of a feed-forward network.

use serde::Serialize;

/// The function between the two dense layers of each layer's feed-forward network.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize)]
pub enum Activation {
    /// The exact GELU, x/2 (1 + erf(x / sqrt 2)).
    #[default]
    #[serde(rename = "gelu")]
    Gelu,
    /// Its approximation x/2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))).
    #[serde(rename = "gelu_pytorch_tanh")]
    GeluTanh,
    /// The larger of x and 0.
    #[serde(rename = "relu")]
    Relu,
}

impl Activation {
    /// The function that transformers computes for this `hidden_act`. The names of
    /// one function differ only in how transformers computes it.
    pub(super) fn named(name: &str) -> Option<Activation> {
        match name {
            "gelu" | "gelu_python" => Some(Activation::Gelu),
            "gelu_new" | "gelu_fast" | "gelu_pytorch_tanh" | "gelu_python_tanh"
            | "gelu_accurate" => Some(Activation::GeluTanh),
            "relu" => Some(Activation::Relu),
            _ => None,
        }
    }
}
