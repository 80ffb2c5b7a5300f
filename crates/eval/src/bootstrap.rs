//! How far a difference of means may be off: the paired bootstrap.
//!
//! Efron and Tibshirani, "An Introduction to the Bootstrap", 1993: draw as many examples as there
//! are, with replacement, compute the difference on those, and again many times. Both methods are
//! looked at on the same drawn examples. Within each dataset examples are drawn from that dataset,
//! and the mean of datasets is taken, as for the figure itself.

use super::Options;

/// What is drawn together: one example in all its wordings.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Unit {
    /// How many questions it has.
    pub(super) questions: usize,
    /// The sum of the scorer's lead over each baseline on them.
    pub(super) leads: Vec<f64>,
}

/// For each baseline the 2.5% and 97.5% quantiles of the scorer's mean lead, over draws from
/// `datasets`. None of these is empty.
pub(super) fn intervals(
    datasets: &[Vec<Unit>],
    baselines: usize,
    options: &Options,
) -> Vec<(f64, f64)> {
    let mut random = Random(options.seed);
    let mut draws = vec![Vec::with_capacity(options.resamples); baselines];
    for _ in 0..options.resamples.max(1) {
        let mut mean = vec![0.0; baselines];
        for units in datasets {
            let mut drawn = Unit { questions: 0, leads: vec![0.0; baselines] };
            for _ in 0..units.len() {
                let unit = &units[random.below(units.len())];
                drawn.questions += unit.questions;
                for (sum, lead) in drawn.leads.iter_mut().zip(&unit.leads) {
                    *sum += lead;
                }
            }
            for (mean, sum) in mean.iter_mut().zip(&drawn.leads) {
                *mean += sum / drawn.questions as f64 / datasets.len() as f64;
            }
        }
        for (draws, mean) in draws.iter_mut().zip(mean) {
            draws.push(mean);
        }
    }
    let interval = |mut draws: Vec<f64>| {
        draws.sort_by(f64::total_cmp);
        (quantile(&draws, 0.025), quantile(&draws, 0.975))
    };
    draws.into_iter().map(interval).collect()
}

/// The quantile of sorted numbers, between two of them by their distances.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let at = share * (sorted.len() - 1) as f64;
    let (low, high) = (sorted[at.floor() as usize], sorted[at.ceil() as usize]);
    low + (high - low) * at.fract()
}

/// SplitMix64: Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`. Its bias is below `end` in 2^64.
    fn below(&mut self, end: usize) -> usize {
        ((u128::from(self.next()) * end as u128) >> 64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn units(leads: &[f64]) -> Vec<Unit> {
        leads.iter().map(|lead| Unit { questions: 1, leads: vec![*lead] }).collect()
    }

    #[test]
    fn random_numbers_are_those_of_splitmix64() {
        let mut random = Random(1234567);
        assert_eq!(random.next(), 6457827717110365317);
        assert_eq!(random.next(), 3203168211198807973);
    }

    #[test]
    fn half_of_a_hundred_has_the_interval_of_the_binomial_distribution() {
        let leads: Vec<f64> = (0..100).map(|i| f64::from(i % 2)).collect();
        let options = Options { seed: 3, resamples: 20_000 };
        // Of 100 draws that are 1 by even chance, 39 or fewer are 1.8%, 40 or fewer 2.8%.
        assert_eq!(intervals(&[units(&leads)], 1, &options), [(0.4, 0.6)]);
    }

    #[test]
    fn the_same_seed_draws_the_same() {
        let leads: Vec<f64> = (0..40).map(|i| f64::from(i).sin()).collect();
        let of = |seed| intervals(&[units(&leads)], 1, &Options { seed, resamples: 500 });
        assert_eq!(of(1), of(1));
        assert_ne!(of(1), of(2));
    }

    #[test]
    fn datasets_count_alike_and_questions_of_an_example_stay_together() {
        // Each dataset is sure of itself: nothing varies, whatever is drawn.
        let datasets = [units(&[1.0; 2]), units(&[0.0; 30])];
        assert_eq!(intervals(&datasets, 1, &Options::default()), [(0.5, 0.5)]);
        // Two examples, one of them in nine wordings: both drawn, or one of them twice.
        let wordings = Unit { questions: 9, leads: vec![9.0] };
        let single = Unit { questions: 1, leads: vec![0.0] };
        assert_eq!(intervals(&[vec![wordings, single]], 1, &Options::default()), [(0.0, 1.0)]);
    }

    #[test]
    fn quantiles_lie_between() {
        assert_eq!(quantile(&[1.0, 2.0, 4.0], 0.5), 2.0);
        assert_eq!(quantile(&[1.0, 2.0, 4.0], 0.75), 3.0);
        assert_eq!(quantile(&[7.0], 0.025), 7.0);
    }
}
