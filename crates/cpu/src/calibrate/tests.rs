use super::factor::Factor;
use super::fit::fit;
use super::*;

const Q4: WeightFormat = WeightFormat::Q4;
const Q8: WeightFormat = WeightFormat::Q8;

/// Numbers between -1 and 1 that look random and are the same on every run.
fn noise(count: usize, seed: u32) -> Vec<f32> {
    let mut state = seed;
    (0..count)
        .map(|_| {
            state = state.wrapping_mul(0x9E37_79B1).wrapping_add(0x7F4A_7C15);
            let mixed = (state ^ (state >> 15)).wrapping_mul(0x85EB_CA6B);
            (mixed >> 8) as f32 / (1 << 23) as f32 - 1.0
        })
        .collect()
}

/// Tokens whose inputs go along with each other: each is mostly the one before it.
fn tokens(count: usize, columns: usize, seed: u32) -> Vec<f32> {
    let mut all = noise(count * columns, seed);
    for token in all.chunks_exact_mut(columns) {
        for k in 1..columns {
            token[k] = 0.9 * token[k - 1] + 0.3 * token[k];
        }
    }
    all
}

fn feedback_of(rounded: &[f32], exact: &[f32], columns: usize, damping: f64) -> Result<Feedback> {
    let mut inputs = Inputs::new(columns);
    inputs.add(rounded, exact);
    Feedback::new(inputs, damping)
}

/// The sums in f64 throughout.
fn exact_inputs(rounded: &[f32], exact: &[f32], columns: usize) -> Inputs {
    let mut inputs = Inputs::new(columns);
    for (rounded, exact) in rounded.chunks(columns).zip(exact.chunks(columns)) {
        for (a, sums) in [(rounded, &mut inputs.squares), (exact, &mut inputs.products)] {
            for (sums, a) in sums.chunks_mut(columns).zip(a) {
                sums.iter_mut().zip(rounded).for_each(|(s, b)| *s += f64::from(*a) * f64::from(*b));
            }
        }
    }
    inputs
}

fn expand(quantised: &Quantised, columns: usize, block: usize) -> Vec<f32> {
    let mut out = Vec::new();
    quantised.expand(columns, block, &mut out);
    out
}

fn outputs(rows: &[f32], tokens: &[f32], columns: usize) -> Vec<f64> {
    let dot = |row: &[f32], token: &[f32]| -> f64 {
        row.iter().zip(token).map(|(a, b)| f64::from(a * b)).sum()
    };
    tokens
        .chunks_exact(columns)
        .flat_map(|token| rows.chunks_exact(columns).map(move |row| dot(row, token)))
        .collect()
}

fn distance(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum()
}

#[test]
fn a_factor_gives_the_matrix_back_and_solves_it() {
    let size = 75; // more than two panels
    let tokens = tokens(200, size, 4);
    let h = exact_inputs(&tokens, &tokens, size).squares;
    let factor = Factor::of(h.clone(), size).unwrap();
    let wanted: Vec<f64> = noise(2 * size, 5).into_iter().map(f64::from).collect();
    let times = |x: &[f64]| -> Vec<f64> {
        (0..size).map(|i| (0..size).map(|j| h[i * size + j] * x[j]).sum()).collect()
    };
    let mut solved: Vec<f64> = wanted.chunks(size).flat_map(times).collect();
    factor.solve(&mut solved);
    for (got, want) in solved.iter().zip(&wanted) {
        assert!((got - want).abs() <= 1e-8, "{got} {want}");
    }
    assert!(Factor::of(vec![1.0, 2.0, 2.0, 1.0], 2).is_none());
    assert!(Factor::of(vec![f64::NAN], 1).is_none());
}

#[test]
fn sums_of_several_batches_are_those_of_all() {
    let columns = 13;
    let (rounded, exact) = (tokens(90, columns, 2), tokens(90, columns, 3));
    let wanted = exact_inputs(&rounded, &exact, columns);
    let mut inputs = Inputs::new(columns);
    for tokens in [0..25 * columns, 25 * columns..90 * columns] {
        inputs.add(&rounded[tokens.clone()], &exact[tokens]);
    }
    let sums = inputs.squares.iter().chain(&inputs.products);
    for (sum, wanted) in sums.zip(wanted.squares.iter().chain(&wanted.products)) {
        assert!((sum - wanted).abs() <= 1e-4, "{sum} {wanted}");
    }
}

#[test]
fn feedback_keeps_outputs_closer_than_rounding_alone() {
    let (columns, block) = (40, 5);
    let (rows, tokens) = (noise(19 * columns, 6), tokens(300, columns, 7));
    let feedback = feedback_of(&tokens, &tokens, columns, 0.01).unwrap();
    let wanted = outputs(&rows, &tokens, columns);
    for format in [Q4, Q8] {
        let off = |quantised: Quantised| {
            let expanded = expand(&quantised, columns, block);
            distance(&outputs(&expanded, &tokens, columns), &wanted)
        };
        let plain = off(Quantised::round("w", format, &rows, columns, block).unwrap());
        let fed_back = off(feedback.round("w", format, block, &rows).unwrap());
        assert!(fed_back < 0.5 * plain, "{format}: {fed_back} {plain}");
    }
}

#[test]
fn targets_make_up_for_what_was_rounded_before() {
    let (columns, block, rows) = (24, 5, noise(6 * 24, 8));
    let exact = tokens(400, columns, 9);
    // The model before this matrix lost a tenth of every even input.
    let rounded: Vec<f32> =
        exact.iter().enumerate().map(|(i, x)| if i % 2 == 0 { x * 0.9 } else { *x }).collect();
    let wanted = outputs(&rows, &exact, columns);
    let off = |exact: &[f32]| {
        let feedback = feedback_of(&rounded, exact, columns, 1e-4).unwrap();
        let expanded = expand(&feedback.round("w", Q8, block, &rows).unwrap(), columns, block);
        distance(&outputs(&expanded, &rounded, columns), &wanted)
    };
    let (with, without) = (off(&exact), off(&rounded));
    assert!(with < 0.1 * without, "{with} {without}");
}

#[test]
fn rows_do_not_depend_on_each_other() {
    let (columns, rows) = (30, noise(37 * 30, 10));
    let tokens = tokens(100, columns, 11);
    let feedback = feedback_of(&tokens, &tokens, columns, 0.01).unwrap();
    let round = |rows| feedback.round("w", Q4, 8, rows).unwrap();
    let (first, last) = rows.split_at(5 * columns);
    let mut apart = round(first);
    apart.append(round(last));
    assert_eq!(apart, round(&rows));
}

#[test]
fn what_cannot_be_quantised_is_refused() {
    let of = |rounded: &[f32], exact: &[f32], damping| feedback_of(rounded, exact, 2, damping);
    assert!(of(&[0.0; 4], &[1.0; 4], 0.01).is_err(), "nothing was read");
    assert!(of(&[1.0, 2.0, 3.0, 4.0], &[1.0, f32::NAN, 2.0, 3.0], 0.01).is_err(), "not finite");
    let feedback = of(&[1.0, 2.0, 3.0, 4.0], &[1.0, 2.0, 3.0, 4.0], 0.01).unwrap();
    for giant in [60_000.0, f32::INFINITY, f32::NAN] {
        let error = feedback.round("w", Q4, 2, &[1.0, giant]).unwrap_err();
        assert_eq!((error.kind(), error.at_fault()), (ErrorKind::Checkpoint, "w"));
    }
}

#[test]
fn the_last_matrix_takes_up_what_is_left() {
    let (columns, pairs) = (9, 200);
    let features: Vec<f32> = tokens(pairs, columns, 12).iter().map(|x| x + 0.5).collect();
    let wanted = noise(columns, 13);
    let left: Vec<f32> =
        outputs(&wanted, &features, columns).into_iter().map(|y| y as f32 - 0.25).collect();
    let (moves, bias) = fit(&features, &left, 1e-9).unwrap();
    for (got, want) in moves.iter().zip(&wanted) {
        assert!((got - f64::from(*want)).abs() <= 1e-4, "{got} {want}");
    }
    assert!((bias + 0.25).abs() <= 1e-4, "{bias}");
    assert!(fit(&[1.0; 6], &[0.5; 3], 0.01).is_err(), "the same everywhere");
    assert!(fit(&features, &left[1..], 0.01).is_err());
    assert!(fit(&[1.0, f32::NAN], &[0.0, 1.0], 0.01).is_err());
}

#[derive(serde::Deserialize)]
struct Golden {
    columns: usize,
    damping: f64,
    weights: Vec<Vec<f32>>,
    exact: Vec<Vec<f32>>,
    rounded: Vec<Vec<f32>>,
    cases: Vec<Case>,
}

#[derive(serde::Deserialize)]
struct Case {
    bits: usize,
    block: usize,
    integers: Vec<Vec<i8>>,
    scales: Vec<Vec<f32>>,
}

#[test]
fn integers_and_scales_are_those_of_the_study() {
    let golden: Golden =
        serde_json::from_str(include_str!("../../../../tests/golden/quantise.json")).unwrap();
    let rows = golden.weights.concat();
    let (rounded, exact) = (golden.rounded.concat(), golden.exact.concat());
    let inputs = exact_inputs(&rounded, &exact, golden.columns);
    let feedback = Feedback::new(inputs, golden.damping).unwrap();
    for case in golden.cases {
        let format = if case.bits == Q4.bits() { Q4 } else { Q8 };
        let got = feedback.round("w", format, case.block, &rows).unwrap();
        let scales: Vec<f32> = got.scales.iter().map(|scale| scale.to_f32()).collect();
        assert_eq!(scales, case.scales.concat(), "{format}");
        assert_eq!(got.integers, case.integers.concat(), "{format}");
    }
}
