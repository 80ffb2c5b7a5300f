//! How errors cross to JavaScript: as one object, of which `js/thrown.ts` makes a `CappyError`.

use std::error::Error as _;

use cappy::{Error, ErrorKind};
use serde::Serialize;
use wasm_bindgen::prelude::*;

use super::to_js;

/// `PlainError` of `js/thrown.ts`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Plain {
    code: &'static str,
    at_fault: String,
    what: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<Cause>,
    #[serde(skip_serializing_if = "Option::is_none")]
    micros: Option<u32>,
}

/// What a lower level said.
#[derive(Serialize)]
struct Cause {
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<Box<Cause>>,
}

impl Cause {
    fn of(error: &(dyn std::error::Error + 'static)) -> Cause {
        Cause {
            message: error.to_string(),
            cause: error.source().map(|cause| Box::new(Cause::of(cause))),
        }
    }
}

/// What JavaScript is given of an error.
pub fn fail(error: Error) -> JsValue {
    throw(Plain {
        code: error.kind().code(),
        at_fault: error.at_fault().to_owned(),
        what: error.what().to_owned(),
        cause: error.source().map(Cause::of),
        micros: None,
    })
}

/// That the fixed forward pass takes `micros` microseconds, which is no faster than elsewhere.
pub fn slower(micros: u32) -> JsValue {
    throw(Plain {
        code: ErrorKind::AdapterTooSmall.code(),
        at_fault: "pace".into(),
        what: "is no faster than elsewhere".into(),
        cause: None,
        micros: Some(micros),
    })
}

fn throw(error: Plain) -> JsValue {
    to_js(&error).unwrap_or_else(|error| error)
}
