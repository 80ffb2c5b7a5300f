//! Calls that share buffers take turns: on one thread they may interleave wherever one of them waits
//! for the GPU, as in a browser all of them do.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::task::{Poll, Waker};

/// Who has the buffers, and who waits for them.
#[derive(Debug, Default)]
pub struct Turns {
    taken: Cell<bool>,
    waiting: RefCell<Vec<Waker>>,
}

/// The right to use the buffers, until it is dropped.
#[derive(Debug)]
pub struct Turn<'a>(&'a Turns);

impl Turns {
    /// Waits until nobody else has a turn. A call that is dropped while it waits holds up nobody.
    pub async fn wait(&self) -> Turn<'_> {
        poll_fn(|context| {
            if self.taken.replace(true) {
                self.waiting.borrow_mut().push(context.waker().clone());
                return Poll::Pending;
            }
            Poll::Ready(())
        })
        .await;
        Turn(self)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.taken.set(false);
        // All of them, because the first may have been given up: the others wait once more.
        self.0.waiting.take().into_iter().for_each(Waker::wake);
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::Context;

    use super::*;

    #[test]
    fn a_second_call_waits_for_the_first_and_a_dropped_one_for_nobody() {
        let turns = Turns::default();
        let mut context = Context::from_waker(Waker::noop());
        let first = pollster::block_on(turns.wait());
        {
            let mut dropped = pin!(turns.wait());
            assert!(dropped.as_mut().poll(&mut context).is_pending());
        }
        let mut second = pin!(turns.wait());
        assert!(second.as_mut().poll(&mut context).is_pending());
        drop(first);
        let Poll::Ready(second) = second.as_mut().poll(&mut context) else {
            panic!("the second call waits for nobody");
        };
        let mut third = pin!(turns.wait());
        assert!(third.as_mut().poll(&mut context).is_pending());
        drop(second);
        assert!(third.as_mut().poll(&mut context).is_ready());
    }
}
