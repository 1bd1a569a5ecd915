//! candle on the CPU; Adam is its AdamW without weight decay.

#[path = "../../peer.rs"]
mod peer;

use candle_core::{DType, Device, Result, Tensor, Var};
use candle_nn::{AdamW, Optimizer, ParamsAdamW, loss};
use peer::{Options, Start, answer, weights};

fn main() -> Result<()> {
    let options = Options::read();
    for name in ["RAYON_NUM_THREADS", "OMP_NUM_THREADS"] {
        // SAFETY: no other thread exists yet. candle and rayon read these at their first use.
        unsafe { std::env::set_var(name, options.text("threads")) };
    }
    let start = Start::read(&options);
    let device = Device::Cpu;
    let mut layers = Vec::new();
    for layer in &start.layers {
        // candle's own layer keeps the weight as [outputs, inputs] and multiplies by its transpose.
        let weight =
            Tensor::from_slice(&layer.weight, (layer.inputs, layer.outputs), &device)?.t()?.contiguous()?;
        let bias = Tensor::from_slice(&layer.bias, layer.outputs, &device)?;
        layers.push((Var::from_tensor(&weight)?, Var::from_tensor(&bias)?));
    }
    let mut total = 0.0;
    for tensor in layers.iter().flat_map(|(weight, bias)| [weight, bias]) {
        total += weights(&tensor.flatten_all()?.to_vec1::<f32>()?);
    }
    let features = start.layers[0].inputs;
    let x = Tensor::from_slice(&start.x, (start.batch, features), &device)?;
    let labels = Tensor::from_slice(&start.y, start.y.len(), &device)?;
    let mse = options.text("loss") == "mse";
    let y = if mse { labels.reshape((start.batch, ()))? } else { labels.to_dtype(DType::U32)? };
    let variables = layers.iter().flat_map(|(weight, bias)| [weight.clone(), bias.clone()]).collect();
    let adam = ParamsAdamW { lr: 1e-3, weight_decay: 0.0, ..ParamsAdamW::default() };
    let mut optimizer = AdamW::new(variables, adam)?;

    let mut step = || -> Result<Tensor> {
        let mut out = x.clone();
        for (i, (weight, bias)) in layers.iter().enumerate() {
            if i > 0 {
                out = out.relu()?;
            }
            out = candle_nn::Module::forward(
                &candle_nn::Linear::new(weight.as_tensor().clone(), Some(bias.as_tensor().clone())),
                &out,
            )?;
        }
        let value = if mse { loss::mse(&out, &y)? } else { loss::cross_entropy(&out, &y)? };
        optimizer.backward_step(&value)?;
        Ok(value)
    };
    let last = options.counts("checked").into_iter().max().unwrap_or(1);
    let losses = (0..last).map(|_| step()?.to_scalar::<f32>()).collect::<Result<Vec<_>>>()?;
    answer(&options, "0.11.1", &losses, total, |steps| {
        for _ in 0..steps {
            step().expect("a step that went well goes well again");
        }
    });
    Ok(())
}
