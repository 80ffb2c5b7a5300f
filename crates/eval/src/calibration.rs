//! Whether scores are what candidates are worth.

use serde::Serialize;

const BINS: usize = 10;

/// Candidates whose scores lie in one tenth of 0..1.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Bin {
    /// Where it begins. The first one also has what is below it.
    pub from: f64,
    /// Where it ends; this belongs to the next one. The last one also has what is above it.
    pub to: f64,
    /// Candidates in it.
    pub candidates: usize,
    /// Their mean score; `None` without any.
    pub mean_score: Option<f64>,
    /// Their mean worth, Rouge-L or the share of right ones; `None` without any.
    pub mean_value: Option<f64>,
}

/// Ten bins of (score, worth).
pub(super) fn bins(candidates: impl Iterator<Item = (f64, f64)>) -> Vec<Bin> {
    let mut sums = [(0, 0.0, 0.0); BINS];
    for (score, value) in candidates {
        let bin = ((score * BINS as f64).floor().max(0.0) as usize).min(BINS - 1);
        let (count, scores, values) = &mut sums[bin];
        (*count, *scores, *values) = (*count + 1, *scores + score, *values + value);
    }
    let bin = |(place, (candidates, scores, values)): (usize, (usize, f64, f64))| {
        let mean = |sum: f64| (candidates > 0).then(|| sum / candidates as f64);
        Bin {
            from: place as f64 / BINS as f64,
            to: (place + 1) as f64 / BINS as f64,
            candidates,
            mean_score: mean(scores),
            mean_value: mean(values),
        }
    };
    sums.into_iter().enumerate().map(bin).collect()
}

/// The mean distance of score and worth over the bins, each counted by its candidates.
pub(super) fn error(bins: &[Bin]) -> f64 {
    let all: usize = bins.iter().map(|bin| bin.candidates).sum();
    let of = |bin: &Bin| {
        let gap = (bin.mean_score.unwrap_or(0.0) - bin.mean_value.unwrap_or(0.0)).abs();
        gap * bin.candidates as f64
    };
    bins.iter().map(of).sum::<f64>() / all.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_by_hand() {
        let candidates =
            [(-0.5, 0.0), (0.05, 1.0), (0.25, 0.5), (0.75, 1.0), (1.0, 1.0), (1.5, 0.0)];
        let bins = bins(candidates.into_iter());
        let counts: Vec<usize> = bins.iter().map(|bin| bin.candidates).collect();
        assert_eq!(counts, [2, 0, 1, 0, 0, 0, 0, 1, 0, 2]);
        assert_eq!((bins[0].mean_score, bins[0].mean_value), (Some(-0.225), Some(0.5)));
        assert_eq!((bins[1].mean_score, bins[1].mean_value), (None, None));
        assert_eq!((bins[9].mean_score, bins[9].mean_value), (Some(1.25), Some(0.5)));
        assert_eq!((bins[9].from, bins[9].to), (0.9, 1.0));
        // Twice 0.725, 0.25 twice, and twice 0.75, over six.
        assert!((error(&bins) - 3.45 / 6.0).abs() < 1e-12, "{}", error(&bins));
    }

    #[test]
    fn nothing_is_calibrated_perfectly() {
        assert_eq!(error(&bins(std::iter::empty())), 0.0);
    }
}
