//! Letting a page go on while this thread computes.

use gloo_timers::future::TimeoutFuture;
use web_time::Instant;

/// Milliseconds after which a page's other events have their turn.
const LONG: u128 = 50;

/// Lets the thread's other events, an abort among them, have their turn from time to time.
pub(crate) struct Pause {
    last: Instant,
}

impl Pause {
    pub fn new() -> Pause {
        Pause { last: Instant::now() }
    }

    pub async fn now_and_then(&mut self) {
        if self.last.elapsed().as_millis() >= LONG {
            TimeoutFuture::new(0).await;
            self.last = Instant::now();
        }
    }
}
