//! Lays activations out as the weights of a matmul that sums over tokens.

use bytemuck::{Pod, Zeroable};

use super::step;
use crate::error::Result;
use crate::gpu::{Buffer, Step, Work};
use crate::ops::matmul::Weights;
use crate::ops::shaders::training::pack_columns::{KERNEL, WORKGROUP_SIZE};
use crate::ops::{Matrix, Storage, check, stride4};

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Params {
    rows: u32,
    stride4: u32,
    rows2: u32,
}

/// The transpose of the first `rows` rows of `x` (f16) as weights in `panels`: their inputs are the
/// rows of x, their outputs its columns. `zeros` is their bias.
///
/// # Errors
/// [`crate::ErrorKind::Gpu`] where the shapes do not fit.
pub fn pack_columns(
    label: &'static str,
    rows: usize,
    x: &Matrix,
    panels: &Buffer,
    zeros: &Buffer,
) -> Result<(Step, Weights)> {
    let weights = Weights::over(panels.clone(), zeros.clone(), rows, x.width);
    let fits = rows <= x.rows && x.storage == Storage::F16 && weights.fits();
    check(KERNEL.name, label, fits)?;
    let params = Params { rows: rows as u32, stride4: stride4(x.width), rows2: weights.pairs() };
    let bytes = (4 * rows * x.width) as u64;
    let workgroups = [params.stride4.div_ceil(WORKGROUP_SIZE), params.rows2, 1];
    let buffers = [&x.buffer, panels];
    let work = Work { flops: 0, bytes };
    Ok((step(&KERNEL, label, &params, &buffers, workgroups, work), weights))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::Plan;
    use crate::ops::matmul::{PANEL, Weights};
    use crate::ops::testing::{self, Case};

    #[test]
    fn panels_are_those_that_the_host_writes() {
        for gpu in testing::gpus() {
            for (rows, width) in [(1, 1), (5, 70), (131, 129)] {
                let x = Case::new(width).f16_values(rows * width, 1.0);
                let (got, expected) = testing::block_on(async {
                    let host = Weights::zeros(&gpu, "host", rows, &vec![0.0; width]).await?;
                    let transposed: Vec<f32> = (0..width)
                        .flat_map(|column| x.iter().skip(column).step_by(width).copied())
                        .collect();
                    for (panel, rows_of_it) in transposed.chunks(PANEL as usize * rows).enumerate()
                    {
                        host.write_panel(&gpu, "host", panel, rows_of_it).await?;
                    }
                    let words = host.panel_buffer().size() / 4;
                    let panels = gpu.buffer("panels", 4 * words)?;
                    gpu.write(&panels, 0, &vec![u32::MAX; words as usize]).await?;
                    let x = testing::matrix(&gpu, &x, width, Storage::F16).await?;
                    let (step, made) = pack_columns("test", rows, &x, &panels, host.bias_buffer())?;
                    gpu.run(&Plan { steps: vec![step] }, &|| false).await?;
                    let bits = async |buffer| {
                        let words = gpu.read_f32(buffer, words as usize).await?;
                        Ok::<_, crate::Error>(words.iter().map(|x| x.to_bits()).collect::<Vec<_>>())
                    };
                    Ok((bits(made.panel_buffer()).await?, bits(host.panel_buffer()).await?))
                });
                assert!(got == expected, "{rows} x {width}");
            }
        }
    }
}
