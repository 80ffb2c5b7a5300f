//! Transposes packed weights: the backward pass of a matmul is a matmul with the result.

use bytemuck::{Pod, Zeroable};

use super::step;
use crate::error::Result;
use crate::gpu::{Step, Work};
use crate::ops::check;
use crate::ops::matmul::Weights;
use crate::ops::shaders::training::transpose_panels::KERNEL;

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    k2: u32,
    w_panels: u32,
    out_k2: u32,
}

/// Fills the panels of `out`, whose inputs are the outputs of `w`, and whose outputs are its inputs.
///
/// # Errors
/// [`crate::ErrorKind::Gpu`] where the shapes do not fit.
pub fn transpose_panels(label: &'static str, w: &Weights, out: &Weights) -> Result<Step> {
    let fits = w.outputs() == out.inputs() && w.inputs() == out.outputs();
    check(KERNEL.name, label, fits && w.fits() && out.fits())?;
    let params = Params { k2: w.pairs(), w_panels: w.panels() as u32, out_k2: out.pairs() };
    let work = Work { flops: 0, bytes: (4 * w.outputs() * w.inputs()) as u64 };
    let workgroups = [params.out_k2, out.panels() as u32, 1];
    let buffers = [w.panel_buffer(), out.panel_buffer()];
    Ok(step(&KERNEL, label, &params, &buffers, workgroups, work))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::Plan;
    use crate::ops::shaders::PANEL;
    use crate::ops::testing::{self, Case};

    #[test]
    fn equals_the_transpose_that_the_host_writes() {
        for gpu in testing::gpus() {
            for (outputs, inputs) in [(1, 1), (5, 70), (131, 129)] {
                let w = Case::new(inputs).f16_values(outputs * inputs, 1.0);
                let transposed: Vec<f32> = (0..inputs)
                    .flat_map(|input| w.iter().skip(input).step_by(inputs).copied())
                    .collect();
                let (got, expected) = testing::block_on(async {
                    let host = async |w: &[f32], inputs: usize| {
                        let bias = vec![0.0; w.len() / inputs];
                        let weights = Weights::zeros(&gpu, "host", inputs, &bias).await?;
                        for (panel, rows) in w.chunks(PANEL as usize * inputs).enumerate() {
                            weights.write_panel(&gpu, "host", panel, rows).await?;
                        }
                        Ok::<_, crate::Error>(weights)
                    };
                    let (plain, turned) =
                        (host(&w, inputs).await?, host(&transposed, outputs).await?);
                    let made = Weights::zeros(&gpu, "made", outputs, &vec![0.0; inputs]).await?;
                    let words = made.panel_buffer().size() as usize / 4;
                    gpu.write(made.panel_buffer(), 0, &vec![u32::MAX; words]).await?;
                    let steps = vec![transpose_panels("test", &plain, &made)?];
                    gpu.run(&Plan { steps }, &|| false).await?;
                    let bits = async |buffer| {
                        let words = gpu.read_f32(buffer, words).await?;
                        Ok::<_, crate::Error>(words.iter().map(|x| x.to_bits()).collect::<Vec<_>>())
                    };
                    Ok((bits(made.panel_buffer()).await?, bits(turned.panel_buffer()).await?))
                });
                assert!(got == expected, "{outputs} x {inputs}");
            }
        }
    }
}
