//! A lock that is waited for without blocking the thread. Calls that share buffers need one even on
//! one thread: they may interleave wherever one of them waits for the GPU, as in a browser they do.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::task::{Poll, Waker};

/// Whether somebody has the buffers, and who waits for them.
#[derive(Debug, Default)]
pub struct Lock {
    taken: Cell<bool>,
    waiting: RefCell<Vec<Waker>>,
}

/// The right to use the buffers, until it is dropped.
#[derive(Debug)]
pub struct Guard<'a>(&'a Lock);

impl Lock {
    /// Waits until nobody else has the lock. A call that is dropped while it waits holds up nobody.
    pub async fn lock(&self) -> Guard<'_> {
        poll_fn(|context| {
            if self.taken.replace(true) {
                self.waiting.borrow_mut().push(context.waker().clone());
                return Poll::Pending;
            }
            Poll::Ready(())
        })
        .await;
        Guard(self)
    }
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        self.0.taken.set(false);
        // All of them, because the first may have been dropped: the others wait again.
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
        let lock = Lock::default();
        let mut context = Context::from_waker(Waker::noop());
        let first = pollster::block_on(lock.lock());
        {
            let mut dropped = pin!(lock.lock());
            assert!(dropped.as_mut().poll(&mut context).is_pending());
        }
        let mut second = pin!(lock.lock());
        assert!(second.as_mut().poll(&mut context).is_pending());
        drop(first);
        let Poll::Ready(second) = second.as_mut().poll(&mut context) else {
            panic!("the second call waits for nobody");
        };
        let mut third = pin!(lock.lock());
        assert!(third.as_mut().poll(&mut context).is_pending());
        drop(second);
        assert!(third.as_mut().poll(&mut context).is_ready());
    }
}
