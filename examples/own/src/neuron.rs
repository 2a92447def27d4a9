//! A leaky unit that swings with its current: s(t) = λ s(t−1) + (1−λ) sin u(t), r = s.

use apical::kernel::Simd;
use apical::neuron::{Layer, Neuron, NeuronInfo, OwnNeuron};
use apical::schemars::{self, JsonSchema};
use apical::{Error, Result, Scalar};
use serde::{Deserialize, Serialize};

#[derive(Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Swing {
    /// λ, what is left of the state after a step.
    #[schemars(range(min = 0.0), extend("exclusiveMaximum" = 1.0))]
    leak: f64,
}

impl Default for Swing {
    fn default() -> Self {
        Self { leak: 0.5 }
    }
}

impl OwnNeuron for Swing {
    const INFO: NeuronInfo = NeuronInfo {
        name: "swing",
        summary: "leak on a sine",
        states: 1,
        currents: 1,
        equation: "s(t) = leak s(t-1) + (1-leak) sin u(t),  r = s",
    };

    fn time_constant(&self) -> f64 {
        1.0 / (1.0 - self.leak)
    }

    fn build<T: Scalar>(&self) -> Result<Box<dyn Neuron<T>>> {
        match (0.0..1.0).contains(&self.leak) {
            true => Ok(Box::new(self.clone())),
            false => {
                let (field, mend) = ("network.neuron.leak", "0 is no leak.");
                Err(Error::invalid(field, self.leak, "a number in [0, 1)", mend))
            }
        }
    }
}

impl<T: Scalar> Neuron<T> for Swing {
    fn name(&self) -> &'static str {
        Self::INFO.name
    }

    // Writes the new state and rate, and where learning asks for them the partials.
    fn step(&self, layer: Layer<'_, T>) {
        let mut partials = layer.partials;
        for (k, u) in layer.currents.iter().enumerate() {
            let (sin, cos) = u.f64().sin_cos();
            layer.state[k] = T::of(self.leak * layer.state[k].f64() + (1.0 - self.leak) * sin);
            layer.rate[k] = layer.state[k];
            if let Some(partials) = partials.as_deref_mut() {
                partials.own[k] = T::of(self.leak);
                partials.gain[k] = T::of((1.0 - self.leak) * cos);
                partials.slope[k] = T::ONE;
            }
        }
    }

    fn read(&self, _: Simd, _: usize, state: &[T], rate: &mut [T], slope: &mut [T]) {
        rate.copy_from_slice(state);
        slope.fill(T::ONE);
    }
}
