//! Parts of one's own: a receipt finds what is wrong with them, names are given once.

use std::sync::atomic::AtomicBool;

use apical::check::{Settings, neuron_receipt};
use apical::kernel::Simd;
use apical::neuron::{Layer, Neuron, NeuronInfo, NeuronSpec, OwnNeuron, neurons, register};
use apical::schema::kinds;
use apical::{Result, Scalar};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// s(t) = s(t−1)/2 + sin u(t), r = s², with `wrong` added to one of its partials.
#[derive(Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Squared {
    /// Which partial is wrong.
    partial: usize,
    /// By how much.
    #[schemars(range(min = 0.0))]
    wrong: f64,
}

impl OwnNeuron for Squared {
    const INFO: NeuronInfo = NeuronInfo {
        name: "squared",
        summary: "a square",
        states: 1,
        currents: 1,
        equation: "s(t) = s(t-1)/2 + sin u(t),  r = s^2",
    };
    fn time_constant(&self) -> f64 {
        2.0
    }
    fn build<T: Scalar>(&self) -> Result<Box<dyn Neuron<T>>> {
        Ok(Box::new(self.clone()))
    }
}

impl<T: Scalar> Neuron<T> for Squared {
    fn name(&self) -> &'static str {
        "squared"
    }
    fn step(&self, layer: Layer<'_, T>) {
        let mut partials = layer.partials;
        for (k, u) in layer.currents.iter().enumerate() {
            let (sin, cos) = u.f64().sin_cos();
            let state = 0.5 * layer.state[k].f64() + sin;
            layer.state[k] = T::of(state);
            layer.rate[k] = T::of(state * state);
            if let Some(p) = partials.as_deref_mut() {
                let mut each = [0.5, cos, 2.0 * state];
                each[self.partial] += self.wrong;
                let [own, gain, slope] = each.map(T::of);
                (p.own[k], p.gain[k], p.slope[k]) = (own, gain, slope);
            }
        }
    }
    fn read(&self, _: Simd, _: usize, state: &[T], rate: &mut [T], slope: &mut [T]) {
        for ((s, r), slope) in state.iter().zip(rate).zip(slope) {
            *r = *s * *s;
            *slope = *s + *s;
        }
    }
}

#[test]
fn a_wrong_partial_fails_the_receipt_of_a_neuron_and_names_are_given_once() {
    let before = kinds::<NeuronSpec>().len();
    register::<Squared>().unwrap();
    assert_eq!(kinds::<NeuronSpec>().len(), before + 1);
    let again = register::<Squared>().unwrap_err().to_string();
    let said = "neuron.kind: got squared, expected a name that no other neuron has";
    assert!(again.contains(said), "{again}");
    assert_eq!(neurons().last().unwrap().name, "squared");
    let all = kinds::<NeuronSpec>();
    let own = all.iter().find(|kind| kind.names == ["squared"]).unwrap();
    assert_eq!(own.about, "a square");
    let wrong = &own.settings[1];
    assert_eq!(
        (wrong.name.as_str(), wrong.range.as_deref()),
        ("wrong", Some("at least 0"))
    );
    assert_eq!(wrong.default, Some(0.0.into()));
    let settings = Settings {
        cases: 6,
        ..Settings::default()
    };
    let passes = |text: &str| {
        let spec: NeuronSpec = serde_json::from_str(text).unwrap();
        let receipt = neuron_receipt(&spec, &settings, &AtomicBool::new(false)).unwrap();
        receipt.passed
    };
    assert!(passes(r#"{"kind": "squared"}"#));
    for partial in 0..3 {
        let text = format!(r#"{{"kind": "squared", "partial": {partial}, "wrong": 0.001}}"#);
        assert!(!passes(&text), "{text}");
    }
    // Settings are complete when they are written, and refused by name when they are read.
    let spec = NeuronSpec::by_name("squared").unwrap();
    let written = serde_json::to_string(&spec).unwrap();
    assert_eq!(written, r#"{"kind":"squared","partial":0,"wrong":0.0}"#);
    let bad = serde_json::from_str::<NeuronSpec>(r#"{"kind": "squared", "wron": 1}"#);
    assert!(bad.unwrap_err().to_string().contains("wron"));
    let known = serde_json::from_str::<NeuronSpec>(r#"{"kind": "voltage", "leek": 1}"#);
    assert!(known.unwrap_err().to_string().contains("leek"));
}
