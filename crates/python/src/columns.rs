//! Columns of text in Arrow's memory, which are read where they lie.

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, LargeStringArray, RecordBatch, StringArray, StringViewArray};
use arrow_schema::DataType;
use cappy::{Error, ErrorKind, Result};

/// A column of text.
pub struct Texts {
    name: String,
    kind: Kind,
}

enum Kind {
    Offsets(StringArray),
    LargeOffsets(LargeStringArray),
    Views(StringViewArray),
    /// A text for each key; the second has the place of each row's.
    Dictionary(ArrayRef, Vec<usize>, Box<Kind>),
    Nulls,
}

impl Texts {
    /// The column of `batch` with this name.
    ///
    /// # Errors
    /// [`ErrorKind::Input`] naming a column that is not there or holds no text.
    pub fn of(batch: &RecordBatch, name: &str) -> Result<Texts> {
        let at = || format!("column '{name}'");
        let Some(column) = batch.column_by_name(name) else {
            let schema = batch.schema();
            let names: Vec<&str> = schema.fields().iter().map(|field| &**field.name()).collect();
            let what = format!("is not there; there are {}", names.join(", "));
            return Err(Error::new(ErrorKind::Input, at(), what));
        };
        // Whoever made it is another program: offsets and UTF-8 are looked at before they are relied on.
        column
            .to_data()
            .validate_full()
            .map_err(|error| Error::new(ErrorKind::Input, at(), "is broken").with_source(error))?;
        match Kind::of(column) {
            Some(kind) => Ok(Texts { name: name.to_owned(), kind }),
            None => {
                let what = format!("is {}, and text is needed", column.data_type());
                Err(Error::new(ErrorKind::Input, at(), what))
            }
        }
    }

    /// The text of a row.
    ///
    /// # Errors
    /// [`ErrorKind::Input`] where it is null, naming the row by its number in all, `row`.
    pub fn get(&self, index: usize, row: u64) -> Result<&str> {
        self.kind.get(index).ok_or_else(|| {
            let what = format!("column '{}' is null", self.name);
            Error::new(ErrorKind::Input, format!("row {row}"), what)
        })
    }
}

impl Kind {
    fn of(column: &ArrayRef) -> Option<Kind> {
        match column.data_type() {
            DataType::Utf8 => Some(Kind::Offsets(column.as_string().clone())),
            DataType::LargeUtf8 => Some(Kind::LargeOffsets(column.as_string().clone())),
            DataType::Utf8View => Some(Kind::Views(column.as_string_view().clone())),
            DataType::Null => Some(Kind::Nulls),
            DataType::Dictionary(..) => {
                let dictionary = column.as_any_dictionary();
                let texts = Kind::of(dictionary.values())?;
                // Of a dictionary without texts all rows are null.
                let keys = match dictionary.values().is_empty() {
                    true => Vec::new(),
                    false => dictionary.normalized_keys(),
                };
                Some(Kind::Dictionary(column.clone(), keys, Box::new(texts)))
            }
            _ => None,
        }
    }

    fn get(&self, index: usize) -> Option<&str> {
        match self {
            Kind::Offsets(texts) => texts.is_valid(index).then(|| texts.value(index)),
            Kind::LargeOffsets(texts) => texts.is_valid(index).then(|| texts.value(index)),
            Kind::Views(texts) => texts.is_valid(index).then(|| texts.value(index)),
            Kind::Dictionary(column, keys, texts) => {
                if column.is_null(index) {
                    None
                } else {
                    texts.get(*keys.get(index)?)
                }
            }
            Kind::Nulls => None,
        }
    }
}
