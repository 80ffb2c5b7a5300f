//! NaN and infinities in each input of each kernel: what depends on them is never a finite number,
//! whatever variant, prelude, epilogue or driver computes it, and what does not is not touched.

use super::attention::{self, Heads, Task, Tasks, attention};
use super::matmul::{self, Epilogue, Method, Rotary, Weights, gated_width, matmul};
use super::mean_rows::mean_rows;
use super::rotary::RotaryTable;
use super::shaders::matmul::{ADD, RESIDUAL, STORE};
use super::testing::{self, Case, NOT_FINITE, f16_pair, spoil};
use super::training::gated::gated;
use super::{Matrix, Storage, blocks, embed, gather_rows, layer_norm};
use crate::checkpoint::{Quantised, WeightFormat};
use crate::config::{self, Activation};
use crate::error::Result;
use crate::gpu::{Gpu, Step};

/// Checks that rows of `width` hold no finite number exactly where `lost` says so.
#[track_caller]
fn assert_lost(what: &str, got: &[f32], width: usize, lost: impl Fn(usize, usize) -> bool) {
    for (at, number) in got.iter().enumerate() {
        let (row, column) = (at / width, at % width);
        let is_lost = !number.is_finite();
        assert_eq!(is_lost, lost(row, column), "{what}: {number} at [{row}, {column}]");
    }
}

fn each(mut check: impl FnMut(&Gpu, f32)) {
    for gpu in testing::gpus() {
        NOT_FINITE.into_iter().for_each(|value| check(&gpu, value));
    }
}

/// Every epilogue in the shader, by its number there, and whether it stores f32.
fn epilogues() -> Vec<(String, u32, bool)> {
    let sources = matmul::large::VARIANT.kernels[0].sources;
    let shader = sources.iter().find(|source| source.file == "matmul/common").unwrap();
    let constants = shader.text.lines().filter_map(|line| {
        let (name, value) = line.strip_prefix("const ")?.split_once(": u32 = ")?;
        Some((name.to_owned(), value.trim_end_matches("u;").parse::<u32>().ok()?))
    });
    let mut found: Vec<_> = constants
        .map(|(name, number)| {
            let wide = name == "RESIDUAL" || name == "ADD";
            (name, number, wide)
        })
        .collect();
    found.sort_by_key(|(_, number, _)| *number);
    found
}

#[test]
fn every_epilogue_of_the_shader_is_found() {
    let found = epilogues();
    assert!(
        found.len() >= 6 && found.iter().map(|(_, number, _)| *number).eq(0..found.len() as u32)
    );
}

/// Which input of a matmul is spoiled: always a number that one row or one column of the output needs.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Input {
    A,
    Weight,
    Bias,
    Residual,
}

const M: usize = 19;
const K: usize = 70;
const N: usize = 66;
/// The row and column that are spoiled. Beside the column lies the other one of its pair of f16.
const ROW: usize = 17;
const COLUMN: usize = 5;

async fn spoiled_matmul(
    gpu: &Gpu,
    variant: &'static matmul::Variant,
    format: WeightFormat,
    (epilogue, wide): (u32, bool),
    (input, value): (Input, f32),
) -> Result<Vec<f32>> {
    let mut case = Case::new(7);
    let a = testing::matrix(gpu, &case.f16_values(M * K, 1.0), K, Storage::F16).await?;
    let of = if epilogue == ADD { Storage::F32 } else { Storage::F16 };
    let residual = testing::matrix(gpu, &case.f16_values(M * N, 1.0), N, of).await?;
    let mut bias = case.values(N, 0.5);
    if input == Input::Bias {
        bias[COLUMN] = value;
    }
    let weights = Weights::of(gpu, "w", format, K, &bias).await?;
    for (panel, rows) in case.f16_values(N * K, 0.1).chunks(matmul::PANEL as usize * K).enumerate()
    {
        if format == WeightFormat::F16 {
            weights.write_panel(gpu, "w", panel, rows).await?;
        } else {
            let rounded = Quantised::round("w", format, rows, K, format.block())?;
            weights.write_quantised(gpu, "w", panel, &rounded).await?;
        }
    }
    match input {
        Input::A => spoil(gpu, &a, ROW, 30, value).await?,
        Input::Residual => spoil(gpu, &residual, ROW, COLUMN, value).await?,
        // A word is a pair of inputs of one output, or the scales of two of its blocks.
        Input::Weight => {
            let words = weights.scales.as_ref().unwrap_or(&weights.panels);
            gpu.write(words, 4 * COLUMN as u64, &[f16_pair(value)]).await?;
        }
        Input::Bias => {}
    }
    let storage = if wide { Storage::F32 } else { Storage::F16 };
    let out = Matrix::zeros(gpu, "out", M + 1, N, storage)?;
    testing::poison(gpu, &out).await?;
    let blocks_buffer = gpu.buffer("blocks", blocks::bytes(M, K))?;
    let method = Method { variant, most_flops: u64::MAX, blocks: Some(&blocks_buffer) };
    let kind = if wide { Epilogue::Residual(&residual) } else { Epilogue::Store };
    let mut steps = matmul("test", method, M, &a, &weights, kind, &out)?;
    // The epilogue is the parameter before the last. So one that `Epilogue` does not know is tested, too.
    if let Some(Step { params, .. }) = steps.last_mut() {
        let at = params.len() - 8;
        params[at..at + 4].copy_from_slice(&epilogue.to_le_bytes());
    }
    testing::run(gpu, steps, &out, M).await
}

#[test]
fn every_epilogue_of_every_matmul() {
    let lost = |input, row, column: usize| match input {
        Input::A => row == ROW,
        Input::Weight | Input::Bias => column / 2 == COLUMN / 2,
        Input::Residual => row == ROW && column / 2 == COLUMN / 2,
    };
    each(|gpu, value| {
        for variant in matmul::VARIANTS.iter().filter(|variant| variant.runs_on(gpu)) {
            for (name, epilogue, wide) in epilogues() {
                for input in [Input::A, Input::Weight, Input::Bias, Input::Residual] {
                    if input == Input::Residual && ![RESIDUAL, ADD].contains(&epilogue) {
                        continue;
                    }
                    let given = (input, value);
                    let f16 = WeightFormat::F16;
                    let run = spoiled_matmul(gpu, variant, f16, (epilogue, wide), given);
                    let what = format!("{} {name} {given:?} {:?}", variant.name, gpu.dtype());
                    // In f32 the neighbouring column stays finite, except in a pair of residuals.
                    let exact = wide && matches!(input, Input::Weight | Input::Bias)
                        || epilogue == ADD && input == Input::Residual;
                    assert_lost(&what, &testing::block_on(run), N, |row, column| {
                        let exact = !exact || column == COLUMN;
                        exact && lost(input, row, column)
                    });
                }
            }
        }
    });
}

#[test]
fn scales_of_quantised_weights() {
    each(|gpu, value| {
        for variant in matmul::VARIANTS.iter().filter(|variant| variant.runs_on(gpu)) {
            for format in [WeightFormat::Q8, WeightFormat::Q4] {
                let (epilogue, given) = ((STORE, true), (Input::Weight, value));
                let run = spoiled_matmul(gpu, variant, format, epilogue, given);
                let what = format!("{} {format} {value} {:?}", variant.name, gpu.dtype());
                assert_lost(&what, &testing::block_on(run), N, |_, column| column == COLUMN);
            }
        }
    });
}

#[test]
fn numbers_beyond_f16_are_lost_and_not_clipped() {
    // All variants store by the same function.
    let variant = &matmul::medium::VARIANT;
    for gpu in testing::gpus() {
        let beyond = testing::block_on(async {
            let a = testing::matrix(&gpu, &[1.0, 1.0], 2, Storage::F16).await?;
            let bias = [65_504.0, 65_519.0, 65_520.0, -65_520.0, 3e9, -3e38];
            let weights = Weights::zeros(&gpu, "w", 2, &bias).await?;
            let out = Matrix::zeros(&gpu, "out", 2, bias.len(), Storage::F16)?;
            testing::poison(&gpu, &out).await?;
            let method = Method { variant, most_flops: u64::MAX, blocks: None };
            let steps = matmul("test", method, 1, &a, &weights, Epilogue::Store, &out)?;
            testing::run(&gpu, steps, &out, 1).await
        });
        assert_eq!(beyond[..2], [65_504.0; 2]);
        assert!(beyond[2..].iter().all(|x| x.is_nan()), "{beyond:?}");
    }
}

#[test]
fn layer_norms() {
    let (rows, width) = (11, 70);
    each(|gpu, value| {
        for variant in layer_norm::VARIANTS {
            // f32 can hold 1e30, but not its square.
            for (input, value) in [("x", value), ("x", 1e30), ("gamma", value), ("beta", value)] {
                let mut case = Case::new(3);
                let mut x = case.values(rows * width, 1.0);
                let mut gamma = case.values(width, 1.0);
                let mut beta = case.values(width, 1.0);
                match input {
                    "x" => x[9 * width + COLUMN] = value,
                    "gamma" => gamma[COLUMN] = value,
                    _ => beta[COLUMN] = value,
                }
                let got = testing::block_on(async {
                    let x = testing::matrix(gpu, &x, width, Storage::F32).await?;
                    let w = layer_norm::Weights::new(gpu, "norm", &gamma, &beta, 1e-5).await?;
                    let out = Matrix::zeros(gpu, "out", rows + 1, width, Storage::F16)?;
                    testing::poison(gpu, &out).await?;
                    let step = layer_norm::layer_norm("test", variant, rows, &x, &w, &out)?;
                    testing::run(gpu, vec![step], &out, rows).await
                });
                let what = format!("{} {input} {value} {:?}", variant.kernel.name, gpu.dtype());
                let pair = COLUMN / 4 * 4..COLUMN / 4 * 4 + 4;
                let got: Vec<f32> = got;
                if input == "x" {
                    assert_lost(&what, &got, width, |row, _| row == 9);
                } else {
                    // The others of its group of four may be lost with it, and no more.
                    assert!(
                        got.iter().skip(COLUMN).step_by(width).all(|x| !x.is_finite()),
                        "{what}"
                    );
                    let others =
                        got.iter().enumerate().filter(|(at, _)| !pair.contains(&(at % width)));
                    assert!(others.into_iter().all(|(_, x)| x.is_finite()), "{what}");
                }
            }
        }
    });
}

#[test]
fn softmax_of_attention() {
    let heads = Heads { count: 2, size: 12 };
    let (width, lengths) = (heads.width(), [41, 20]);
    let mut tasks = Vec::new();
    for (first_token, tokens) in [(0, 41), (41, 20)] {
        for first_query in (0..tokens).step_by(attention::QUERIES as usize) {
            let queries = attention::QUERIES.min(tokens - first_query);
            let out_row = first_token + first_query;
            tasks.push(Task { first_token, tokens, first_query, queries, out_row });
        }
    }
    each(|gpu, value| {
        for variant in attention::VARIANTS.into_iter().filter(|variant| variant.runs_on(gpu)) {
            // The first head of query 5, of key 33 and of value 33: in the first tile, and after it.
            for (part, row) in [(0, 5), (1, 33), (2, 33)] {
                let tokens = lengths.iter().sum();
                let got = testing::block_on(async {
                    // Large ones, so that some weights underflow to zero.
                    let numbers = Case::new(5).f16_values(tokens * 3 * width, 9.0);
                    let qkv = testing::matrix(gpu, &numbers, 3 * width, Storage::F16).await?;
                    spoil(gpu, &qkv, row, part * width + 2, value).await?;
                    let tasks = Tasks {
                        buffer: gpu.buffer_of("tasks", &tasks).await?,
                        count: tasks.len(),
                        scores: 41 * 41 + 20 * 20,
                        window: None,
                    };
                    let out = Matrix::zeros(gpu, "out", tokens + 1, width, Storage::F16)?;
                    testing::poison(gpu, &out).await?;
                    let most = u64::MAX;
                    let steps = attention("test", variant, most, heads, &tasks, &qkv, &out)?;
                    testing::run(gpu, steps, &out, tokens).await
                });
                let name = variant.kernel.name;
                let what = format!("{name} {part} {value} {:?}", gpu.dtype());
                let own_head = |column: usize| column < heads.size;
                assert_lost(&what, &got, width, |row, column| match part {
                    0 => row == 5 && own_head(column),
                    1 => row < 41 && own_head(column),
                    _ => {
                        row < 41 && (column == 2 || column == 3) || {
                            // A group of four is stored at once.
                            row < 41 && column < 4 && !got[row * width + column].is_finite()
                        }
                    }
                });
            }
        }
    });
}

#[test]
fn a_window_of_attention_keeps_out_what_lies_beyond_it() {
    let heads = Heads { count: 1, size: 12 };
    let (width, tokens, window) = (heads.width(), 120u32, 7u32);
    each(|gpu, value| {
        for variant in attention::VARIANTS.into_iter().filter(|variant| variant.runs_on(gpu)) {
            let got = testing::block_on(async {
                let numbers = Case::new(5).f16_values(tokens as usize * 3 * width, 1.0);
                let qkv = testing::matrix(gpu, &numbers, 3 * width, Storage::F16).await?;
                spoil(gpu, &qkv, 40, width + 2, value).await?;
                let tasks = attention::forward_tasks(&[0, tokens], false);
                let tasks = Tasks {
                    buffer: gpu.buffer_of("tasks", &tasks).await?,
                    count: tasks.len(),
                    scores: u64::from(tokens * tokens),
                    window: Some(window),
                };
                let out = Matrix::zeros(gpu, "out", tokens as usize + 1, width, Storage::F16)?;
                testing::poison(gpu, &out).await?;
                let steps = attention("test", variant, u64::MAX, heads, &tasks, &qkv, &out)?;
                testing::run(gpu, steps, &out, tokens as usize).await
            });
            let what = format!("{} {value} {:?}", variant.kernel.name, gpu.dtype());
            // A tile of keys is read whole, so what is near the window may be lost, too.
            let away = |row: usize| row.abs_diff(40);
            let near = |row| away(row) <= window as usize + 32 + attention::QUERIES as usize;
            assert_lost(&what, &got, width, |row, column| {
                let is_lost = !got[row * width + column].is_finite();
                away(row) <= window as usize || near(row) && is_lost
            });
            assert!((0..tokens as usize).any(|row| !near(row)));
        }
    });
}

/// What a matmul of every variant puts out where one weight of the output number `spoiled` is `value`. Every row of the
/// result needs that weight.
fn of_spoiled_weight(
    gpu: &Gpu,
    value: f32,
    (outputs, spoiled): (usize, usize),
    width: usize,
    epilogue: Epilogue<'_>,
) -> Vec<(&'static str, Vec<f32>)> {
    let run = |variant: &'static matmul::Variant| {
        testing::block_on(async {
            let mut case = Case::new(8);
            let a = testing::matrix(gpu, &case.f16_values(3 * 4, 1.0), 4, Storage::F16).await?;
            let w = Weights::zeros(gpu, "w", 4, &case.values(outputs, 0.5)).await?;
            let numbers = case.f16_values(outputs * 4, 1.0);
            for (panel, rows) in numbers.chunks(matmul::PANEL as usize * 4).enumerate() {
                w.write_panel(gpu, "w", panel, rows).await?;
            }
            gpu.write(&w.panels, 4 * spoiled as u64, &[f16_pair(value)]).await?;
            let out = Matrix::zeros(gpu, "out", 4, width, Storage::F16)?;
            testing::poison(gpu, &out).await?;
            let blocks_buffer = gpu.buffer("blocks", blocks::bytes(3, 4))?;
            let method = Method { variant, most_flops: u64::MAX, blocks: Some(&blocks_buffer) };
            let steps = matmul("test", method, 3, &a, &w, epilogue, &out)?;
            testing::run(gpu, steps, &out, 3).await
        })
    };
    let variants = matmul::VARIANTS.iter().filter(|variant| variant.runs_on(gpu));
    variants.map(|variant| (variant.name, run(variant))).collect()
}

#[test]
fn rotated_queries_and_keys() {
    let heads = Heads { count: 2, size: 6 };
    let width = heads.width();
    each(|gpu, value| {
        let (ids, table) = testing::block_on(async {
            let ids = gpu.buffer_of("ids", &[[0u32, 1, 0], [0, 2, 0], [0, 3, 0]]).await?;
            Ok((ids, RotaryTable::new(gpu, 4, heads.size, 10_000.0).await?))
        });
        let rotate = Epilogue::Rotate(Rotary { ids: &ids, table: &table, heads });
        // A number of q, one of k, and one of v, which is not rotated.
        for part in 0..3 {
            let spoiled = part * width + COLUMN;
            let all = of_spoiled_weight(gpu, value, (3 * width, spoiled), 3 * width, rotate);
            for (name, got) in all {
                assert_lost(&format!("{name} {part} {value}"), &got, 3 * width, |_, column| {
                    column / 2 == spoiled / 2
                });
            }
        }
    });
}

#[test]
fn gates_of_matmuls_and_what_they_gate() {
    let width = 9;
    each(|gpu, value| {
        for by in [Activation::Gelu, Activation::GeluTanh, Activation::Relu] {
            // COLUMN is the second one of the second four, whose gates come after them.
            for spoiled in [9, 13] {
                let of = (gated_width(width), spoiled);
                for (name, got) in of_spoiled_weight(gpu, value, of, width, Epilogue::Gated(by)) {
                    let what = format!("{name} {by:?} {spoiled} {value}");
                    assert_lost(&what, &got, width, |_, column| column / 2 == COLUMN / 2);
                }
            }
        }
    });
}

#[test]
fn gates_and_what_they_gate() {
    let (rows, width) = (3, 70);
    each(|gpu, value| {
        for by in [Activation::Gelu, Activation::GeluTanh, Activation::Relu] {
            for of_gate in [false, true] {
                let half = gated_width(width) / 2;
                let got = testing::block_on(async {
                    let numbers = Case::new(3).f16_values(rows * 2 * half, 1.0);
                    let x = testing::matrix(gpu, &numbers, 2 * half, Storage::F32).await?;
                    let saved = Matrix::zeros(gpu, "saved", rows, 2 * half, Storage::F16)?;
                    let column = if of_gate { half + COLUMN } else { COLUMN };
                    spoil(gpu, &x, 1, column, value).await?;
                    let out = Matrix::zeros(gpu, "out", rows + 1, width, Storage::F16)?;
                    testing::poison(gpu, &out).await?;
                    let step = gated("test", by, rows, &x, &saved, &out)?;
                    testing::run(gpu, vec![step], &out, rows).await
                });
                let what = format!("{by:?} {of_gate} {value} {}", got[width + COLUMN]);
                assert!(!got[width + COLUMN].is_finite(), "{what}");
                let others =
                    got.iter().enumerate().filter(|(at, _)| at / 2 != (width + COLUMN) / 2);
                assert!(others.map(|(_, x)| x).all(|x| x.is_finite()), "{what}");
            }
        }
    });
}

#[test]
fn means_of_rows() {
    each(|gpu, value| {
        let got = testing::block_on(async {
            let numbers = Case::new(2).f16_values(9 * 70, 1.0);
            let x = testing::matrix(gpu, &numbers, 70, Storage::F16).await?;
            spoil(gpu, &x, 5, COLUMN, value).await?;
            let ends = gpu.buffer_of("ends", &[0u32, 4, 7, 9]).await?;
            let out = Matrix::zeros(gpu, "out", 4, 70, Storage::F16)?;
            testing::poison(gpu, &out).await?;
            let step = mean_rows("test", 3, &ends, &x, &out)?;
            testing::run(gpu, vec![step], &out, 3).await
        });
        let lost = |row, column: usize| row == 1 && column / 2 == COLUMN / 2;
        assert_lost(&format!("{value}"), &got, 70, lost);
    });
}

#[test]
fn embeddings_of_every_table() {
    let (width, ids) = (70, [[0u32, 1, 0], [1, 2, 0], [2, 3, 1]]);
    each(|gpu, value| {
        for quantised in [false, true] {
            for spoiled in 0..3 {
                let got = testing::block_on(async {
                    let mut case = Case::new(9);
                    let storage = if quantised { Storage::Q8 } else { Storage::F16 };
                    let word = Matrix::zeros(gpu, "word", 3, width, storage)?;
                    let numbers = case.f16_values(3 * width, 1.0);
                    if quantised {
                        let q8 = WeightFormat::Q8;
                        let rows = Quantised::round("word", q8, &numbers, width, width)?;
                        word.write_quantised_rows(gpu, "word", 0, &rows).await?;
                    } else {
                        word.write_rows(gpu, "word", 0, &numbers).await?;
                    }
                    let position = case.f16_values(4 * width, 1.0);
                    let token_type = case.values(2 * width, 1.0);
                    let tables = embed::Tables {
                        word: vec![word],
                        position: testing::matrix(gpu, &position, width, Storage::F16).await?,
                        token_type: testing::matrix(gpu, &token_type, width, Storage::F32).await?,
                    };
                    match spoiled {
                        // The scale of a row of bytes stands behind it.
                        0 if quantised => {
                            let at = 2 * Storage::Q8.row_bytes(width) - 4;
                            gpu.write(&tables.word[0].buffer, at as u64, &[value]).await?;
                        }
                        0 => spoil(gpu, &tables.word[0], 1, COLUMN, value).await?,
                        1 => spoil(gpu, &tables.position, 2, COLUMN, value).await?,
                        _ => spoil(gpu, &tables.token_type, 1, COLUMN, value).await?,
                    }
                    let ids = gpu.buffer_of("ids", &ids).await?;
                    let out = Matrix::zeros(gpu, "out", 4, width, Storage::F32)?;
                    testing::poison(gpu, &out).await?;
                    let steps = embed::embed("test", 3, &ids, &tables, &out)?;
                    testing::run(gpu, steps, &out, 3).await
                });
                let what = format!("{spoiled} {quantised} {value} {:?}", gpu.dtype());
                assert_lost(&what, &got, width, |row, column| match spoiled {
                    0 if quantised => row == 1,
                    0 | 1 => row == 1 && column / 2 == COLUMN / 2,
                    _ => row == 2 && column == COLUMN,
                });
            }
        }
    });
}

#[test]
fn gathered_rows() {
    each(|gpu, value| {
        let got = testing::block_on(async {
            let numbers = Case::new(2).f16_values(5 * 70, 1.0);
            let x = testing::matrix(gpu, &numbers, 70, Storage::F16).await?;
            spoil(gpu, &x, 3, COLUMN, value).await?;
            let rows = gpu.buffer_of("rows", &[3u32, 0]).await?;
            let out = Matrix::zeros(gpu, "out", 3, 70, Storage::F16)?;
            testing::poison(gpu, &out).await?;
            let step = gather_rows::gather_rows("test", 2, &rows, &x, &out)?;
            testing::run(gpu, vec![step], &out, 2).await
        });
        let lost = |row, column: usize| row == 0 && column / 2 == COLUMN / 2;
        assert_lost(&format!("{value}"), &got, 70, lost);
    });
}

#[test]
fn activations_of_training() {
    use super::training::activation_backward::{Activation, activation_backward};
    use super::training::gelu::gelu;

    let (rows, width) = (3, 70);
    each(|gpu, value| {
        let numbers = Case::new(4).f16_values(rows * width, 1.0);
        let got = testing::block_on(async {
            let x = testing::matrix(gpu, &numbers, width, Storage::F16).await?;
            spoil(gpu, &x, 1, COLUMN, value).await?;
            let out = Matrix::zeros(gpu, "out", rows + 1, width, Storage::F16)?;
            testing::poison(gpu, &out).await?;
            testing::run(gpu, vec![gelu("test", rows, &x, &out)?], &out, rows).await
        });
        assert!(!got[width + COLUMN].is_finite(), "gelu made {} of {value}", got[width + COLUMN]);
        assert!(got[..width].iter().chain(&got[2 * width..]).all(|x| x.is_finite()));
        let of = [config::Activation::Gelu, config::Activation::GeluTanh, config::Activation::Relu];
        for activation in of.map(Activation::Of).into_iter().chain([Activation::Tanh]) {
            for of_gradient in [false, true] {
                let got = testing::block_on(async {
                    let kept = testing::matrix(gpu, &numbers, width, Storage::F16).await?;
                    let out = Matrix::zeros(gpu, "out", rows + 1, width, Storage::F32)?;
                    testing::poison(gpu, &out).await?;
                    out.write_rows(gpu, "out", 0, &vec![1.0; rows * width]).await?;
                    let spoiled = if of_gradient { &out } else { &kept };
                    spoil(gpu, spoiled, 1, COLUMN, value).await?;
                    let step = activation_backward("test", activation, rows, &kept, &out)?;
                    testing::run(gpu, vec![step], &out, rows).await
                });
                let what = format!("{activation:?} {of_gradient} {value}");
                assert!(!got[width + COLUMN].is_finite(), "{what}: {}", got[width + COLUMN]);
                assert!(got[..width].iter().chain(&got[2 * width..]).all(|x| x.is_finite()));
            }
        }
    });
}
