//! Scores to probabilities.

/// The softmax of `scores / temperature`, in their order. Terms are summed from the smallest on, so that
/// the order of options changes no bit.
pub fn probabilities(scores: &[f32], temperature: f64) -> Vec<f64> {
    let most = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let terms: Vec<f64> = scores
        .iter()
        .map(|score| ((f64::from(*score) - f64::from(most)) / temperature).exp())
        .collect();
    let mut sorted = terms.clone();
    sorted.sort_by(f64::total_cmp);
    let sum: f64 = sorted.iter().sum();
    terms.iter().map(|term| term / sum).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_sum_to_one_and_equal_scores_share() {
        for scores in [vec![0.5, 0.5], vec![0.0, 1.0, -3.0], vec![1e4, -1e4], vec![0.1; 256]] {
            let p = probabilities(&scores, 0.2);
            assert!((p.iter().sum::<f64>() - 1.0).abs() < 1e-9, "{p:?}");
            assert!(p.iter().all(|p| (0.0..=1.0).contains(p)));
        }
        assert_eq!(probabilities(&[0.7, 0.7], 0.01), [0.5, 0.5]);
        let p = probabilities(&[0.0, 0.2], 0.2);
        assert!((p[1] - 1.0 / (1.0 + (-1.0f64).exp())).abs() < 1e-7, "{p:?}");
    }

    #[test]
    fn the_order_changes_no_bit() {
        let scores: Vec<f32> = (0..97).map(|i| (i as f32 * 0.37).sin()).collect();
        let expected = probabilities(&scores, 0.13);
        // One other order could give the same sum by chance.
        for turn in 1..scores.len() {
            let mut turned = scores.clone();
            turned.rotate_left(turn);
            turned.reverse();
            let mut back = probabilities(&turned, 0.13);
            back.reverse();
            back.rotate_right(turn);
            assert_eq!(back, expected, "{turn}");
        }
    }
}
