//! How long submissions are: a plan is cut into pieces by how fast the adapter gets through them.

use std::cell::Cell;
use std::ops::Range;

use super::plan::{Plan, Step};

/// How long a submission should take: short enough for pages to stay smooth, since every
/// other user of the GPU waits for its end.
const SUBMISSION_SECONDS: f64 = 0.03;

/// The work that may be submitted and not done, in seconds: enough to keep the GPU busy where its
/// end is noticed late, as in Firefox, by up to 0.1 s; little enough for a stop to take effect soon.
const PENDING_SECONDS: f64 = 0.25;

/// Operations a second before anything was measured: a software adapter in a browser.
pub const FIRST_FLOPS_PER_SECOND: f64 = 2e9;

/// How many multiplications and additions a second the adapter gets through, as far as is known.
/// Each kind of plan has a pace of its own, since kinds differ; each run adjusts it.
#[derive(Debug)]
pub struct Pace(Cell<f64>);

impl Default for Pace {
    fn default() -> Pace {
        Pace::new(FIRST_FLOPS_PER_SECOND)
    }
}

impl Pace {
    /// Begins with what was measured before.
    pub fn new(flops_per_second: f64) -> Pace {
        Pace(Cell::new(flops_per_second))
    }

    /// The adapter did `flops` operations in `seconds`.
    pub(super) fn measured(&self, flops: u64, seconds: f64) {
        self.0.set(flops as f64 / seconds.max(1e-6));
    }

    /// Whether `flops` operations that are submitted and not done are as many as should be.
    pub(super) fn is_enough(&self, flops: u64) -> bool {
        flops as f64 > self.0.get() * PENDING_SECONDS
    }

    /// The steps of the submission that begins at step `begin`: one at the least.
    pub(super) fn submission(&self, steps: &[Step], begin: usize) -> Range<usize> {
        let most = (self.0.get() * SUBMISSION_SECONDS) as u64;
        let mut flops = 0;
        let fitting = steps[begin..].iter().take_while(|step| {
            flops += step.work.flops;
            flops <= most
        });
        begin..begin + fitting.count().max(1)
    }

    /// The steps of each submission of `plan` at the pace known now.
    pub fn submissions(&self, plan: &Plan) -> Vec<Range<usize>> {
        let mut submissions: Vec<Range<usize>> = Vec::new();
        let mut begin = 0;
        while begin < plan.steps.len() {
            let next = self.submission(&plan.steps, begin);
            begin = next.end;
            submissions.push(next);
        }
        submissions
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::{Kernel, Needs, Work};

    static KERNEL: Kernel =
        Kernel { name: "test", sources: &[], storage: &[], needs: Needs::Nothing };

    fn plan(flops: &[u64]) -> Plan {
        let step = |&flops: &u64| Step {
            kernel: &KERNEL,
            label: "test",
            params: Vec::new(),
            buffers: Vec::new(),
            workgroups: [1, 1, 1],
            work: Work { flops, bytes: 0 },
        };
        Plan { steps: flops.iter().map(step).collect() }
    }

    #[test]
    fn submissions_are_as_long_as_the_pace_allows_and_hold_a_step_at_the_least() {
        // 30 operations a submission.
        let pace = Pace::new(1000.0);
        let ranges = pace.submissions(&plan(&[10, 10, 10, 10, 100, 5, 25, 1]));
        assert_eq!(ranges, [0..3, 3..4, 4..5, 5..7, 7..8]);
        assert!(pace.submissions(&plan(&[])).is_empty());
    }

    #[test]
    fn a_measurement_replaces_what_was_known() {
        let pace = Pace::new(1000.0);
        assert!(pace.is_enough(251) && !pace.is_enough(249));
        pace.measured(500, 0.25);
        assert!(pace.is_enough(501) && !pace.is_enough(499));
        assert_eq!(pace.submissions(&plan(&[30, 30, 30])), [0..2, 2..3]);
    }
}
