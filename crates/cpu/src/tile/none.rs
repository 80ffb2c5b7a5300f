//! No tile beyond the portable one: WebAssembly's and NEON's vectors are those that it was made for.

use super::integer::{TileRows, WidePanel, WideSums};

/// No matrix unit. What it would read and write has its types natively alone, so any will do here.
#[allow(dead_code, reason = "there is never one, and WebAssembly's part does not ask for it")]
pub mod amx {
    /// There is none.
    #[derive(Debug, Clone, Copy)]
    pub struct Amx(());

    /// Nor one that is ready.
    pub struct Ready(());

    impl Amx {
        pub fn find() -> Option<Amx> {
            None
        }

        pub fn ready(self) -> Ready {
            unreachable!("there is no unit")
        }
    }

    impl Ready {
        pub fn split_rows<'a, T>(&self, _: &[f32], _: usize, _: &'a mut Vec<T>) -> &'a [T] {
            unreachable!("there is no unit")
        }

        pub fn store<S>(&self, _: &[S; 2], _: &[f32], _: usize, _: &mut [f32], _: usize) {
            unreachable!("there is no unit")
        }

        pub fn multiply<T, P, S>(&self, _: [&[T]; 2], _: &[P], _: &[P], _: &mut [S; 2]) {
            unreachable!("there is no unit")
        }
    }
}

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
