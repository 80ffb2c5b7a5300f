//! Rounds f32 master weights into the panels that matmuls read.

use bytemuck::{Pod, Zeroable};

use super::step;
use crate::error::Result;
use crate::gpu::{Step, Work};
use crate::ops::matmul::Weights;
use crate::ops::shaders::PANEL;
use crate::ops::shaders::training::pack_weights::KERNEL;
use crate::ops::{Matrix, Storage, check, stride4};

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    rows: u32,
    stride2: u32,
    k2: u32,
}

/// Fills the panels of `out` from `w`, f32 `[outputs, inputs]`.
///
/// # Errors
/// [`crate::ErrorKind::Gpu`] where the shapes do not fit.
pub fn pack_weights(label: &'static str, w: &Matrix, out: &Weights) -> Result<Step> {
    let fits = w.rows == out.outputs() && w.width == out.inputs() && w.storage == Storage::F32;
    check(KERNEL.name, label, fits && out.fits())?;
    let params = Params { rows: w.rows as u32, stride2: 2 * stride4(w.width), k2: out.pairs() };
    let work = Work { flops: 0, bytes: (6 * w.rows * w.width) as u64 };
    let workgroups = [params.k2, params.rows.div_ceil(PANEL), 1];
    Ok(step(&KERNEL, label, &params, &[&w.buffer, out.panel_buffer()], workgroups, work))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::Plan;
    use crate::ops::testing::{self, Case};

    #[test]
    fn numbers_between_those_of_f16_are_right_on_average() {
        // Each column is a tenth of f16's last digit above or below 1 or -1.
        let digit = 0.5f32.powi(10);
        let columns = [1.0 + 0.1 * digit, -1.0 - 0.1 * digit, 1.0 + 0.9 * digit, 1.0];
        let rows = 4096;
        let w: Vec<f32> = (0..rows).flat_map(|_| columns).collect();
        for gpu in testing::gpus() {
            let words = testing::block_on(async {
                let weights = Weights::zeros(&gpu, "w", 4, &vec![0.0; rows]).await?;
                let w = testing::matrix(&gpu, &w, 4, Storage::F32).await?;
                let steps = vec![pack_weights("test", &w, &weights)?];
                gpu.run(&Plan { steps }, &|| false).await?;
                gpu.read_f32(weights.panel_buffer(), weights.panel_buffer().size() as usize / 4)
                    .await
            });
            let halves: &[half::f16] = bytemuck::cast_slice(&words);
            let pairs = weights_pairs(halves, rows);
            for (column, expected) in columns.into_iter().enumerate() {
                let mean =
                    pairs.iter().map(|row| f64::from(row[column])).sum::<f64>() / rows as f64;
                let error = (mean - f64::from(expected)).abs();
                assert!(error <= 0.02 * f64::from(digit), "{expected} became {mean}");
            }
            assert!(pairs.iter().all(|row| row[3] == 1.0));
        }
    }

    /// The first four inputs of each output.
    fn weights_pairs(panels: &[half::f16], rows: usize) -> Vec<[f32; 4]> {
        let panel = PANEL as usize;
        let halves = panels.len() / rows;
        let at = |row: usize, k: usize| {
            let place = (row / panel * (halves / 2) + k / 2) * panel + row % panel;
            panels[2 * place + k % 2].to_f32()
        };
        (0..rows).map(|row| [0, 1, 2, 3].map(|k| at(row, k))).collect()
    }

    #[test]
    fn panels_are_those_that_the_host_writes() {
        for gpu in testing::gpus() {
            for (outputs, inputs) in [(1, 1), (5, 70), (131, 129)] {
                let w = Case::new(inputs).f16_values(outputs * inputs, 1.0);
                let (got, expected) = testing::block_on(async {
                    let host = Weights::zeros(&gpu, "host", inputs, &vec![0.0; outputs]).await?;
                    for (panel, rows) in w.chunks(PANEL as usize * inputs).enumerate() {
                        host.write_panel(&gpu, "host", panel, rows).await?;
                    }
                    let made = Weights::zeros(&gpu, "made", inputs, &vec![0.0; outputs]).await?;
                    let words = made.panel_buffer().size() / 4;
                    gpu.write(made.panel_buffer(), 0, &vec![u32::MAX; words as usize]).await?;
                    let w = testing::matrix(&gpu, &w, inputs, Storage::F32).await?;
                    let steps = vec![pack_weights("test", &w, &made)?];
                    gpu.run(&Plan { steps }, &|| false).await?;
                    let bits = async |buffer| {
                        let words = gpu.read_f32(buffer, words as usize).await?;
                        Ok::<_, crate::Error>(words.iter().map(|x| x.to_bits()).collect::<Vec<_>>())
                    };
                    Ok((bits(made.panel_buffer()).await?, bits(host.panel_buffer()).await?))
                });
                assert!(got == expected, "{outputs} x {inputs}");
            }
        }
    }
}
