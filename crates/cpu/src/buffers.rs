//! Buffers that a thread keeps between uses. A new one would be filled with zeros each time, and a
//! large one fetched from the system, which takes a tenth of a forward pass.

use std::cell::RefCell;
use std::ops::{Deref, DerefMut};

/// Numbers of a buffer that is kept at most, 8 MiB: what a very long pair needs goes back to the system.
const MOST_KEPT: usize = 1 << 21;

thread_local! {
    static KEPT: RefCell<Vec<Vec<f32>>> = const { RefCell::new(Vec::new()) };
}

/// So many numbers, until it is dropped.
pub(super) struct Buffer {
    numbers: Vec<f32>,
    length: usize,
}

impl Buffer {
    /// What is in it is left of an earlier use.
    pub fn of(length: usize) -> Buffer {
        let mut numbers = KEPT.with_borrow_mut(Vec::pop).unwrap_or_default();
        if numbers.len() < length {
            numbers.resize(length, 0.0);
        }
        Buffer { numbers, length }
    }

    /// With these numbers.
    pub fn with(numbers: &[f32]) -> Buffer {
        let mut buffer = Buffer::of(numbers.len());
        buffer.copy_from_slice(numbers);
        buffer
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let numbers = std::mem::take(&mut self.numbers);
        if numbers.len() <= MOST_KEPT {
            KEPT.with_borrow_mut(|kept| kept.push(numbers));
        }
    }
}

impl Deref for Buffer {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.numbers[..self.length]
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.numbers[..self.length]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_is_used_again_and_two_at_once_are_apart() {
        let first = Buffer::with(&[1.0; 100]);
        let address = first.as_ptr();
        let second = Buffer::with(&[2.0; 10]);
        assert!(first.iter().all(|x| *x == 1.0) && second.iter().all(|x| *x == 2.0));
        drop(second);
        drop(first);
        let again = Buffer::of(50);
        assert_eq!((again.as_ptr(), again.len()), (address, 50));
    }

    #[test]
    fn a_large_buffer_is_not_kept() {
        drop(Buffer::of(MOST_KEPT + 1));
        let kept = KEPT.with_borrow(|kept| kept.iter().map(Vec::len).max());
        assert!(kept.is_none_or(|length| length <= MOST_KEPT), "{kept:?}");
    }
}
