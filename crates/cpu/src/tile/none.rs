//! No tile beyond the portable one: WebAssembly's and NEON's vectors are those that it was made for.

use super::integer::{TileRows, WidePanel, WideSums};

/// There is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tile {}

impl Tile {
    pub const MOST: usize = 0;

    pub fn all() -> impl Iterator<Item = Tile> {
        [].into_iter()
    }

    pub fn name(self) -> &'static str {
        match self {}
    }

    pub fn at_once(self, _: usize) -> usize {
        match self {}
    }

    pub fn multiply(self, _: TileRows, _: WidePanel, _: &mut [WideSums]) {
        match self {}
    }
}
