//! burn on the CPU, by its backend `flex`.

#![recursion_limit = "256"]

#[path = "../../peer.rs"]
mod peer;

use burn::module::{Module, Param};
use burn::nn::loss::{CrossEntropyLossConfig, MseLoss, Reduction};
use burn::nn::{Linear, LinearConfig, Relu};
use burn::optim::{AdamConfig, GradientsParams};
use burn::tensor::{Device, Int, Tensor, TensorData};
use peer::{Options, Start, answer, weights};

#[derive(Module, Debug)]
struct Mlp {
    layers: Vec<Linear>,
    relu: Relu,
}

impl Mlp {
    fn forward(&self, mut x: Tensor<2>) -> Tensor<2> {
        for (i, layer) in self.layers.iter().enumerate() {
            if i > 0 {
                x = self.relu.forward(x);
            }
            x = layer.forward(x);
        }
        x
    }
}

fn main() {
    let options = Options::read();
    rayon::ThreadPoolBuilder::new()
        .num_threads(options.count("threads"))
        .build_global()
        .expect("no pool exists yet");
    let start = Start::read(&options);
    let device = Device::flex().autodiff();

    let layers = start.layers.iter().map(|layer| {
        let mut linear = LinearConfig::new(layer.inputs, layer.outputs).init(&device);
        let weight = TensorData::new(layer.weight.clone(), [layer.inputs, layer.outputs]);
        let bias = TensorData::new(layer.bias.clone(), [layer.outputs]);
        linear.weight = Param::from_tensor(Tensor::from_data(weight, &device));
        linear.bias = Some(Param::from_tensor(Tensor::from_data(bias, &device)));
        linear
    });
    let model = Mlp { layers: layers.collect(), relu: Relu::new() };
    let mut total = 0.0;
    for layer in &model.layers {
        total += weights(&values(layer.weight.val().into_data()));
        total += layer.bias.as_ref().map_or(0.0, |bias| weights(&values(bias.val().into_data())));
    }

    let x: Tensor<2> =
        Tensor::from_data(TensorData::new(start.x.clone(), [start.batch, start.layers[0].inputs]), &device);
    let mse = options.text("loss") == "mse";
    let width = start.y.len() / start.batch;
    let targets: Tensor<2> =
        Tensor::from_data(TensorData::new(start.y.clone(), [start.batch, width]), &device);
    let classes: Vec<i32> = start.y.iter().map(|&class| class as i32).collect();
    let labels: Tensor<1, Int> = Tensor::from_ints(classes.as_slice(), &device);
    let cross_entropy = CrossEntropyLossConfig::new().init(&device);
    // Its epsilon would be 1e-5.
    let mut optimizer = AdamConfig::new().with_epsilon(1e-8).init();
    let mut held = Some(model);
    let mut step = || {
        let model = held.take().expect("every step puts a model back");
        let out = model.forward(x.clone());
        let loss = if mse {
            MseLoss::new().forward(out, targets.clone(), Reduction::Mean)
        } else {
            cross_entropy.forward(out, labels.clone())
        };
        let gradients = GradientsParams::from_grads(loss.backward(), &model);
        held = Some(optimizer.step(1e-3, model, gradients));
        loss
    };
    let last = options.counts("checked").into_iter().max().unwrap_or(1);
    let losses: Vec<f32> = (0..last).map(|_| step().into_scalar::<f32>()).collect();
    answer(&options, "0.22.1", &losses, total, |steps| {
        for _ in 0..steps {
            step();
        }
    });
}

fn values(data: TensorData) -> Vec<f32> {
    data.try_to_vec().expect("weights are f32")
}
