//! ModProp and the rules it is compared with, every gradient of the golden file, online and at the end of the trial.

use std::collections::{BTreeSet, HashMap};

use crate::common::{npz, rule};
use apical::constraint::TypesSpec;
use apical::feedback::FeedbackSpec;
use apical::loss::Loss;
use apical::network::NetworkSpec;
use apical::neuron::{Activation, NeuronSpec, VoltageSpec};
use apical::{Learner, LearnerSpec, Update};

const FILE: &str = "modprop_2types.npz";
const TOLERANCE: f64 = 1e-9;

struct Golden(HashMap<String, (Vec<u64>, Vec<f64>)>);

impl Golden {
    fn get(&self, name: &str) -> &[f64] {
        &self
            .0
            .get(name)
            .unwrap_or_else(|| panic!("{name} is missing"))
            .1
    }

    fn sizes(&self) -> [usize; 4] {
        let of = |name: &str, axis: usize| self.0[name].0[axis] as usize;
        [of("x", 0), of("W", 0), of("x", 1), of("V", 0)]
    }

    /// The gradient of the trial, the loss counting at every step or at the last one; and the trajectory is compared.
    fn gradient(&self, json: &str, every: bool, update: Update) -> [Vec<f64>; 2] {
        let [steps, units, inputs, outputs] = self.sizes();
        let of = self.get("types").iter().map(|t| *t as usize).collect();
        let spec = LearnerSpec {
            network: NetworkSpec {
                units,
                neuron: NeuronSpec::Voltage(VoltageSpec {
                    leak: self.get("a")[0],
                    activation: Activation::Relu,
                }),
                types: Some(TypesSpec::Given { of }),
                ..NetworkSpec::default()
            },
            loss: Loss::SoftmaxCrossEntropy {},
            feedback: FeedbackSpec::Symmetric {},
            rule: rule(json),
            update,
            ..LearnerSpec::default()
        };
        let mut learner = Learner::<f64>::new(&spec, inputs, outputs, 0).unwrap();
        for (name, key) in [
            ("W_rec", "W"),
            ("W_in", "U"),
            ("W_out", "V"),
            ("b_out", "b"),
        ] {
            learner.set_parameter(name, self.get(key)).unwrap();
        }
        let target = self.get("target")[0] as usize;
        let mut y = vec![0.0; outputs];
        y[target] = 1.0;
        learner.begin_trial();
        for t in 0..steps {
            let counts = if every || t + 1 == steps { 1.0 } else { 0.0 };
            let x = &self.get("x")[t * inputs..][..inputs];
            learner
                .advance(x, &y, Some(&vec![counts; outputs]))
                .unwrap();
            near(
                "s",
                &learner.activity().state[..units],
                &self.get("s")[t * units..][..units],
            );
            near(
                "z",
                &learner.activity().rate[..units],
                &self.get("z")[t * units..][..units],
            );
            near(
                "y",
                learner.activity().output.row(0),
                &self.get("y")[t * outputs..][..outputs],
            );
        }
        learner.flush();
        let rows = |from: usize, to: usize| {
            (0..units)
                .flat_map(|i| learner.gradient().row(i)[from..to].to_vec())
                .collect()
        };
        [rows(0, units), rows(units, units + inputs)]
    }
}

#[track_caller]
fn near(what: &str, got: &[f64], expected: &[f64]) {
    assert_eq!(got.len(), expected.len(), "{what}");
    let largest = expected.iter().fold(1e-300, |m: f64, v| m.max(v.abs()));
    for (k, (g, e)) in got.iter().zip(expected).enumerate() {
        assert!(
            (g - e).abs() <= TOLERANCE * largest,
            "{what}[{k}]: {g} != {e}"
        );
    }
}

fn rules(mu: f64) -> Vec<(&'static str, Vec<String>)> {
    let modprop = |settings: &str| format!(r#"{{"kind": "modprop", "mu": {mu}, {settings}}}"#);
    let taps = |drive: &str, taps: u32| modprop(&format!(r#""drive": "{drive}", "taps": {taps}"#));
    let named = |json: &str| vec![json.to_string()];
    // With as many taps as steps, or more, the finite filter is the whole one: a second form for the same numbers.
    let all = |settings: &str| {
        let more = format!(r#"{settings}, "taps": 1000"#);
        vec![modprop(settings), modprop(&more)]
    };
    vec![
        (
            "exact",
            vec![r#"{"kind": "rtrl"}"#.into(), r#"{"kind": "bptt"}"#.into()],
        ),
        (
            "three_factor",
            vec![
                r#"{"kind": "three_factor"}"#.into(),
                taps("paper", 0),
                taps("code", 0),
            ],
        ),
        (
            "mdgl_cell",
            vec![
                r#"{"kind": "mdgl", "feedback_weights": "cell"}"#.into(),
                modprop(r#""feedback_weights": "cell", "taps": 1"#),
            ],
        ),
        (
            "mdgl_typed",
            vec![r#"{"kind": "mdgl"}"#.into(), taps("paper", 1)],
        ),
        (
            "modprop_cell_code",
            all(r#""drive": "code", "feedback_weights": "cell""#),
        ),
        (
            "modprop_cell_paper",
            all(r#""drive": "paper", "feedback_weights": "cell""#),
        ),
        ("modprop_typed_code", all(r#""drive": "code""#)),
        ("modprop_typed_paper", all(r#""drive": "paper""#)),
        (
            "modprop_typed_zero_diagonal_code",
            all(r#""drive": "code", "zero_diagonal": true"#),
        ),
        (
            "modprop_typed_zero_diagonal_paper",
            all(r#""drive": "paper", "zero_diagonal": true"#),
        ),
        ("modprop_typed_code_taps1", named(&taps("code", 1))),
        ("modprop_typed_code_taps3", named(&taps("code", 3))),
        ("modprop_typed_paper_taps1", named(&taps("paper", 1))),
        ("modprop_typed_paper_taps3", named(&taps("paper", 3))),
    ]
}

#[test]
fn every_gradient_of_the_file() {
    let golden = Golden(npz(FILE));
    let mut left: BTreeSet<String> = golden.0.keys().cloned().collect();
    for name in [
        "W", "U", "V", "b", "a", "types", "x", "s", "z", "y", "target", "mu",
    ] {
        left.remove(name);
    }
    for (key, rules) in rules(golden.get("mu")[0]) {
        for (when, every) in [("last", false), ("every", true)] {
            for json in &rules {
                for update in [Update::Every(u64::MAX), Update::Trial] {
                    if json.contains("bptt") && update != Update::Trial {
                        continue;
                    }
                    let gradient = golden.gradient(json, every, update);
                    for (name, got) in ["dW", "dU"].iter().zip(&gradient) {
                        let name = format!("{when}/{key}/{name}");
                        near(
                            &format!("{name} by {json} {update:?}"),
                            got,
                            golden.get(&name),
                        );
                        left.remove(&name);
                    }
                }
            }
        }
    }
    // Means over types are post then pre, zeros counted: those of the rules are tested in `rule/modprop/way.rs`.
    let types: Vec<usize> = golden.get("types").iter().map(|t| *t as usize).collect();
    let (mut sums, mut counts) = ([0.0; 4], [0.0; 4]);
    for (k, w) in golden.get("W").iter().enumerate() {
        let pair = 2 * types[k / types.len()] + types[k % types.len()];
        sums[pair] += w;
        counts[pair] += 1.0;
    }
    let averages: Vec<f64> = sums.iter().zip(counts).map(|(s, n)| s / n).collect();
    near("W_ab", &averages, golden.get("W_ab"));
    left.remove("W_ab");
    assert!(left.is_empty(), "not compared: {left:?}");
}

/// The comparison can fail: the numbers of one rule do not pass for those of another.
#[test]
fn the_rules_of_the_file_differ() {
    let golden = Golden(npz(FILE));
    let rules = rules(golden.get("mu")[0]);
    for (key, jsons) in &rules {
        let got = golden.gradient(jsons.last().unwrap(), true, Update::Trial);
        for (other, _) in &rules {
            let expected = golden.get(&format!("every/{other}/dW"));
            let largest = expected.iter().fold(0.0, |m: f64, v| m.max(v.abs()));
            let apart = got[0].iter().zip(expected).map(|(g, e)| (g - e).abs());
            let apart = apart.fold(0.0, f64::max) / largest;
            // One tap of the paper's drive through types is MDGL through types.
            let same = key == other
                || [*key, *other]
                    .iter()
                    .all(|k| ["mdgl_typed", "modprop_typed_paper_taps1"].contains(k));
            assert_eq!(apart < 1e-6, same, "{key} and {other}: {apart}");
        }
    }
}
