//! Files that JavaScript reads: from the network, from what the browser keeps, from a picker.

use std::ops::Range;

use js_sys::{JsString, Uint8Array};
use wasm_bindgen::prelude::*;

use cappy::checkpoint::{ByteSource, Files, LocalFuture};
use cappy::{Error, ErrorKind, Result};

#[wasm_bindgen]
extern "C" {
    /// `ModelFiles` of `js/loader/files.ts`.
    #[wasm_bindgen(typescript_type = "ModelFiles")]
    pub type JsFiles;
    #[wasm_bindgen(method, getter)]
    fn description(this: &JsFiles) -> String;
    #[wasm_bindgen(method, catch)]
    async fn open(this: &JsFiles, name: &str) -> Result<JsValue, JsValue>;

    /// `ModelFile` of `js/loader/files.ts`.
    type JsFile;
    #[wasm_bindgen(method, getter)]
    fn size(this: &JsFile) -> f64;
    #[wasm_bindgen(method, catch)]
    async fn read(this: &JsFile, start: f64, end: f64) -> Result<JsValue, JsValue>;

    /// `ArrayBuffer`, with what js-sys does not know of it yet.
    type JsBuffer;
    #[wasm_bindgen(method, getter, js_name = byteLength)]
    fn byte_length(this: &JsBuffer) -> f64;
    #[wasm_bindgen(method, catch)]
    fn transfer(this: &JsBuffer, size: u32) -> Result<JsValue, JsValue>;
}

impl Files for JsFiles {
    fn describe(&self) -> String {
        self.description()
    }

    fn open<'a>(&'a self, name: &'a str) -> LocalFuture<'a, Result<Option<Box<dyn ByteSource>>>> {
        Box::pin(async move {
            // TypeScript reads it, and only when a decision is asked for: most pages need no request for it.
            if name == cappy::decide::FILE {
                return Ok(None);
            }
            let file = JsFiles::open(self, name).await.map_err(|error| unreadable(name, &error))?;
            if file.is_null() || file.is_undefined() {
                return Ok(None);
            }
            let file: JsFile = file.unchecked_into();
            let size = file.size() as u64;
            Ok(Some(Box::new(BrowserSource { name: name.to_owned(), size, file }) as _))
        })
    }
}

struct BrowserSource {
    name: String,
    size: u64,
    file: JsFile,
}

impl ByteSource for BrowserSource {
    fn name(&self) -> &str {
        &self.name
    }

    fn size(&self) -> u64 {
        self.size
    }

    fn read(&self, range: Range<u64>) -> LocalFuture<'_, Result<Vec<u8>>> {
        Box::pin(async move {
            let read = self.file.read(range.start as f64, range.end as f64).await;
            let bytes = read.map_err(|error| unreadable(&self.name, &error))?;
            let bytes: Uint8Array = bytes.dyn_into().map_err(|_| {
                Error::new(ErrorKind::Io, self.name.as_str(), "gave something else than bytes")
            })?;
            let copy = bytes.to_vec();
            release(&bytes);
            Ok(copy)
        })
    }
}

/// Gives the memory back at once; the garbage collector would let a lot of it pile up. Browsers
/// that cannot do it throw, and it is left to the collector.
fn release(bytes: &Uint8Array) {
    let buffer: JsBuffer = bytes.buffer().unchecked_into();
    if buffer.byte_length() == f64::from(bytes.byte_length()) {
        let _ = buffer.transfer(0);
    }
}

/// The TypeScript around this keeps the error itself and throws that one again.
fn unreadable(name: &str, error: &JsValue) -> Error {
    let message = error.dyn_ref::<js_sys::Error>().map_or_else(
        || JsString::from(error.clone()).into(),
        |error| String::from(error.message()),
    );
    Error::new(ErrorKind::Io, name, message)
}
