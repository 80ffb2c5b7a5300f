//! From the gradient of a weight matrix to that of its adapter's A.

use super::merge_lora::Lora;
use super::step;
use crate::error::Result;
use crate::gpu::{Buffer, Step};
use crate::ops::Matrix;
use crate::ops::shaders::training::lora_a_backward::{KERNEL, WORKGROUP_SIZE};

/// `gradient += scale * B^T (scales * d_w)`: `d_w` is f32 `[outputs, inputs]`, each row of it to be
/// multiplied by its number of `scales`; the gradient is f32 in the shape of A.
///
/// # Errors
/// [`crate::ErrorKind::Gpu`] where the shapes do not fit.
pub fn lora_a_backward(
    label: &'static str,
    d_w: &Matrix,
    scales: &Buffer,
    lora: &Lora,
    gradient: &Matrix,
) -> Result<Step> {
    let kernel = (KERNEL.name, label);
    let (params, work) = lora.backward_params(kernel, d_w, scales, &lora.a, gradient)?;
    let buffers = [&d_w.buffer, scales, &lora.b.buffer, &gradient.buffer];
    let workgroups = [params.stride4.div_ceil(WORKGROUP_SIZE), lora.a.rows as u32, 1];
    Ok(step(&KERNEL, label, &params, &buffers, workgroups, work))
}

#[cfg(test)]
mod tests {
    use super::super::lora_b_backward::lora_b_backward;
    use super::*;
    use crate::ops::Storage;
    use crate::ops::testing::{self, Case};

    #[test]
    fn both_gradients_equal_the_products() {
        let (outputs, inputs, rank, first, run, scale) = (131, 70, 5, 65, 40, 2.0);
        for gpu in testing::gpus() {
            let mut case = Case::new(7);
            let d_w = case.values(outputs * inputs, 1.0);
            let factors = case.values(outputs, 2.0);
            let (a, b) = (case.values(rank * inputs, 1.0), case.values(run * rank, 1.0));
            let true_d = |output: usize, input: usize| {
                let row = first + output;
                f64::from(d_w[row * inputs + input] * factors[row] * scale)
            };
            let mut expected_a = vec![0.5f64; rank * inputs];
            let mut expected_b = vec![0.5f64; run * rank];
            for output in 0..run {
                for input in 0..inputs {
                    for i in 0..rank {
                        expected_a[i * inputs + input] +=
                            true_d(output, input) * f64::from(b[output * rank + i]);
                        expected_b[output * rank + i] +=
                            true_d(output, input) * f64::from(a[i * inputs + input]);
                    }
                }
            }
            let (got_a, got_b) = testing::block_on(async {
                let d_w = testing::matrix(&gpu, &d_w, inputs, Storage::F32).await?;
                let scales = gpu.buffer_of("scales", &factors).await?;
                let lora = Lora {
                    a: testing::matrix(&gpu, &a, inputs, Storage::F32).await?,
                    b: testing::matrix(&gpu, &b, rank, Storage::F32).await?,
                    first,
                    scale,
                };
                let half = |n| {
                    testing::matrix(
                        &gpu,
                        &[0.5; 9000][..n],
                        if n == run * rank { rank } else { inputs },
                        Storage::F32,
                    )
                };
                let (d_a, d_b) = (half(rank * inputs).await?, half(run * rank).await?);
                let step = lora_a_backward("test", &d_w, &scales, &lora, &d_a)?;
                let got_a = testing::run(&gpu, vec![step], &d_a, rank).await?;
                let step = lora_b_backward("test", &d_w, &scales, &lora, &d_b)?;
                Ok((got_a, testing::run(&gpu, vec![step], &d_b, run).await?))
            });
            let f32s = |x: Vec<f64>| x.iter().map(|x| *x as f32).collect::<Vec<_>>();
            testing::assert_close(&got_a, &f32s(expected_a), 2e-5);
            testing::assert_close(&got_b, &f32s(expected_b), 2e-5);
        }
    }
}
