//! What the rule does, in one figure: the filters between types, and its credit beside the exact one over lags.
//!
//! Credit κ(t) on the voltages is what each rule multiplies the local drive of step t with: the backward forms of the rules (exact: derivatives as they were; ModProp: μ on
//! the way), written out here once more in plain loops, on batches of delayed XOR at the start and after some training by BPTT.

use apical::task::Sample;
use apical::{Learner, Scalar, Streams};

use super::xor;
use apical_runs::Result;
use apical_runs::figure::{Colour, Curve, Figure, Panel, Weight};

/// The published μ.
const MU: f64 = 0.25;

/// A rule as its backward form.
#[derive(Clone, Copy)]
struct Backward {
    label: &'static str,
    colour: Colour,
    /// Means over types on the way back in place of the cells' weights.
    typed: bool,
    /// The derivative of the unit that learns: as it was, or μ as in the released code.
    paper: bool,
    /// Steps back that credit passes from unit to unit.
    taps: usize,
    /// All derivatives as they were, in place of μ.
    exact: bool,
}

const MODPROP: Backward = Backward {
    label: "ModProp, W, paper",
    colour: Colour::SkyBlue,
    typed: false,
    paper: true,
    taps: usize::MAX,
    exact: false,
};

const BPTT: Backward = Backward {
    label: "BPTT",
    exact: true,
    ..MODPROP
};

const RULES: [Backward; 6] = [
    MODPROP,
    Backward {
        label: "ModProp, W, code",
        colour: Colour::Blue,
        paper: false,
        ..MODPROP
    },
    Backward {
        label: "ModProp, types, paper",
        colour: Colour::Vermilion,
        typed: true,
        ..MODPROP
    },
    Backward {
        label: "ModProp, types, code",
        colour: Colour::Orange,
        typed: true,
        paper: false,
        ..MODPROP
    },
    Backward {
        label: "MDGL, W",
        colour: Colour::Green,
        taps: 1,
        ..MODPROP
    },
    Backward {
        label: "three-factor",
        colour: Colour::Grey,
        taps: 0,
        ..MODPROP
    },
];

/// One batch as it was: slopes and credit of the last step.
struct Batch {
    units: usize,
    leak: f64,
    weights: Vec<f64>,
    types: Vec<usize>,
    /// φ' of every step, sample and unit.
    slopes: Vec<Vec<f64>>,
    /// V^T δ of the last step.
    signal: Vec<f64>,
}

impl Batch {
    /// κ(t) from the last step back.
    fn credit(&self, rule: Backward) -> Vec<Vec<f64>> {
        let (n, a) = (self.units, self.leak);
        let samples = self.signal.len() / n;
        let weights = match rule.typed {
            true => self.averaged(),
            false => self.weights.clone(),
        };
        let last = self.slopes.len() - 1;
        let pairs = self.signal.iter().zip(&self.slopes[last]);
        let mut kappa: Vec<f64> = pairs.map(|(q, slope)| q * slope).collect();
        let mut lambda = kappa.clone();
        let mut all = vec![kappa.clone()];
        for t in (0..last).rev() {
            let mut back = vec![0.0; n * samples];
            if last - t <= rule.taps {
                for b in 0..samples {
                    for j in 0..n {
                        let l = (1.0 - a) * lambda[b * n + j];
                        let row = &weights[j * n..][..n];
                        let back = back[b * n..][..n].iter_mut().zip(row);
                        back.for_each(|(back, w)| *back += l * w);
                    }
                }
            }
            for (k, q) in back.iter().enumerate() {
                let slope = self.slopes[t][k];
                kappa[k] = a * kappa[k] + q * if rule.paper || rule.exact { slope } else { MU };
                lambda[k] = a * lambda[k] + q * if rule.exact { slope } else { MU };
            }
            all.push(kappa.clone());
        }
        all
    }

    /// W_αβ, [post type, pre type], and how many units there are of each.
    fn means(&self) -> (Vec<f64>, Vec<usize>) {
        let count = self.types.iter().max().map_or(0, |t| t + 1);
        let (mut means, mut sizes) = (vec![0.0; count * count], vec![0; count]);
        self.types.iter().for_each(|t| sizes[*t] += 1);
        for (k, w) in self.weights.iter().enumerate() {
            means[self.types[k / self.units] * count + self.types[k % self.units]] += w;
        }
        for (k, mean) in means.iter_mut().enumerate() {
            *mean /= (sizes[k / count] * sizes[k % count]) as f64;
        }
        (means, sizes)
    }

    fn averaged(&self) -> Vec<f64> {
        let (means, sizes) = self.means();
        let n = self.units;
        (0..n * n)
            .map(|k| means[self.types[k / n] * sizes.len() + self.types[k % n]])
            .collect()
    }

    /// F_αβ(s) for s = 1, 2, … `steps`, over 1 − a.
    fn taps(&self, steps: usize) -> Vec<Vec<f64>> {
        let (means, sizes) = self.means();
        let count = sizes.len();
        let mut tap = means.clone();
        let mut all = Vec::with_capacity(steps);
        for _ in 0..steps {
            all.push(tap.clone());
            let mut next: Vec<f64> = tap.iter().map(|f| self.leak * f).collect();
            for alpha in 0..count {
                for beta in 0..count {
                    for gamma in 0..count {
                        let hop = (1.0 - self.leak) * MU * means[alpha * count + gamma];
                        next[alpha * count + beta] +=
                            hop * sizes[gamma] as f64 * tap[gamma * count + beta];
                    }
                }
            }
            tap = next;
        }
        all
    }
}

/// The figure.
pub(super) fn figure(quick: bool) -> Result<Figure> {
    let experiment = xor(quick, &[r#"rule={kind="bptt"}"#.into()])?;
    let mut learner = experiment.learner::<f64>(experiment.seed)?;
    let streams = Streams::new(experiment.seed);
    let (trial, batch) = (super::trial(quick), experiment.batch);
    let mut task = experiment
        .task
        .build::<f64>(batch, experiment.steps, &streams, "train")?;
    let mut sample = learner.sample_for(&*task)?;
    let mut next = |sample: &mut Sample<f64>| {
        task.next(sample);
    };
    let mut panels = Vec::new();
    let iterations = if quick { 100 } else { 200 };
    for (title, trained) in [("at the start", 0), ("after BPTT", iterations)] {
        for _ in 0..trained * trial {
            next(&mut sample);
            learner.learn_sample(&sample)?;
        }
        let shown = watch(&mut learner, &mut sample, &mut next, trial)?;
        if panels.is_empty() {
            panels.push(taps(&shown, trial, quick));
        }
        let title = if trained == 0 {
            title.to_string()
        } else {
            format!("{title}, {trained} iterations")
        };
        panels.push(alignment(&shown, &title, quick));
    }
    Ok(Figure {
        title: "ModProp: filters between types, and credit that came back so many steps".into(),
        columns: panels.len(),
        panels,
    })
}

/// One more batch, watched; its update is made as the others were.
fn watch<T: Scalar>(
    learner: &mut Learner<T>,
    sample: &mut Sample<T>,
    next: &mut dyn FnMut(&mut Sample<T>),
    trial: u64,
) -> Result<Batch> {
    let dims = learner.network().dims();
    let constant = learner.network().neuron().constant(1.0);
    let weights = learner.parameter("W_rec").unwrap_or_default();
    let mut slopes = Vec::new();
    let mut signal = Vec::new();
    for _ in 0..trial {
        next(sample);
        if sample.first {
            learner.begin_trial();
        }
        let mask = sample.masked.then_some(&sample.mask[..]);
        learner.advance(&sample.x, &sample.y, mask)?;
        let view = learner.view();
        let of = |b: usize| view.slope(0, b).iter().map(|s| s.f64());
        slopes.push((0..dims.batch).flat_map(of).collect());
        let of = |b: usize| &learner.feedback_signal()[b * dims.sample()..][..dims.units];
        signal = (0..dims.batch)
            .flat_map(|b| of(b).iter().map(|q| q.f64()))
            .collect();
    }
    let types = learner.network().constraints().types().of().to_vec();
    learner.finish_step(true);
    Ok(Batch {
        units: dims.units,
        leak: constant.map_or(0.0, |constant| constant.own),
        weights: weights.iter().map(|w| w.f64()).collect(),
        types,
        slopes,
        signal,
    })
}

/// Milliseconds of a step.
fn step(quick: bool) -> f64 {
    if quick { 9.0 } else { 1.0 }
}

fn taps(batch: &Batch, trial: u64, quick: bool) -> Panel {
    let taps = batch.taps(trial as usize / 2);
    // Inhibitory units come first.
    let pairs = [
        (0, "I to I", Colour::Blue),
        (1, "E to I", Colour::Vermilion),
        (2, "I to E", Colour::SkyBlue),
        (3, "E to E", Colour::Orange),
    ];
    let curve = |(index, label, colour): (usize, &str, Colour)| Curve {
        label: Some(label.into()),
        x: (1..=taps.len()).map(|s| s as f64 * step(quick)).collect(),
        y: taps.iter().map(|tap| tap[index]).collect(),
        colour,
        weight: Weight::Dark,
    };
    Panel {
        title: "filter of a synapse, by types".into(),
        x_label: "lag (ms)".into(),
        y_label: "tap / (1 - a)".into(),
        curves: pairs.into_iter().map(curve).collect(),
        ..Panel::default()
    }
}

/// Cosine of each rule's credit with the exact one, over lags.
fn alignment(batch: &Batch, title: &str, quick: bool) -> Panel {
    let exact = batch.credit(BPTT);
    let cosine = |a: &[f64], b: &[f64]| {
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
    };
    let curves = RULES.map(|rule| {
        let credit = batch.credit(rule);
        Curve {
            label: Some(rule.label.into()),
            x: (0..credit.len())
                .map(|lag| lag as f64 * step(quick))
                .collect(),
            y: exact
                .iter()
                .zip(&credit)
                .map(|(a, b)| cosine(a, b))
                .collect(),
            colour: rule.colour,
            weight: Weight::Dark,
        }
    });
    Panel {
        title: title.into(),
        x_label: "steps back from the error (ms)".into(),
        y_label: "cosine with the exact credit".into(),
        y_range: Some((-1.0, 1.0)),
        curves: curves.into(),
        ..Panel::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::liu2022::LISTS;

    /// A trial of noise with one error at its end, under a rule: how it looked, its inputs, and what the rule made of it.
    fn trial(rule: &str) -> (Batch, Vec<Vec<f64>>, Learner<f64>) {
        let small = [
            "network.units=20",
            "task.cue=2",
            "task.delay=6",
            "batch=3",
            // No update at the end of the trial, after which the gradient would be gone.
            "update={trials=2}",
        ];
        let mut changes = vec![format!("rule={rule}")];
        changes.extend(small.map(String::from));
        let experiment = xor(false, &changes).unwrap();
        let mut learner = experiment.learner::<f64>(1).unwrap();
        let task = experiment
            .task
            .build::<f64>(3, experiment.steps, &Streams::new(1), "train")
            .unwrap();
        let mut sample = learner.sample_for(&*task).unwrap();
        sample.masked = true;
        let (mut inputs, steps) = (Vec::new(), 10);
        let mut next = |sample: &mut Sample<f64>| {
            let t = inputs.len();
            let noise = |k: usize| (1.7 * (k + 31 * t) as f64).sin();
            sample
                .x
                .iter_mut()
                .enumerate()
                .for_each(|(k, x)| *x = noise(k));
            let outputs = sample.y.len() / 3;
            let class = |k: usize| f64::from(k % outputs == k / outputs % 2);
            sample
                .y
                .iter_mut()
                .enumerate()
                .for_each(|(k, y)| *y = class(k));
            sample.mask.fill(f64::from(t + 1 == steps));
            sample.first = t == 0;
            inputs.push(sample.x.clone());
        };
        let batch = watch(&mut learner, &mut sample, &mut next, steps as u64).unwrap();
        (batch, inputs, learner)
    }

    #[test]
    fn credit_is_what_each_rule_multiplies_inputs_with() {
        for rule in RULES.into_iter().chain([BPTT]) {
            let label = rule.label;
            let condition = LISTS.rule.iter().find(|rule| rule.label.starts_with(label));
            let (batch, inputs, learner) = trial(&condition.unwrap().set);
            let credit = batch.credit(rule);
            let dims = learner.network().dims();
            let gain = learner.network().neuron().constant(1.0).unwrap().gain;
            for unit in 0..dims.units {
                for input in 0..dims.inputs {
                    let mut sum = 0.0;
                    for (lag, kappa) in credit.iter().enumerate() {
                        let x = &inputs[inputs.len() - 1 - lag];
                        for b in 0..dims.batch {
                            let pre = x[b * dims.inputs + input];
                            sum += gain * kappa[b * dims.units + unit] * pre;
                        }
                    }
                    let found = learner.gradient().row(unit)[dims.units + input];
                    assert!(
                        (found - sum).abs() <= 1e-12 * (1.0 + sum.abs()),
                        "{label}, unit {unit}, input {input}: {found} against {sum}"
                    );
                }
            }
            // Every unit but those that never spoke has been told something.
            let told = (0..dims.units).filter(|u| learner.gradient().row(*u)[dims.units] != 0.0);
            assert!(told.count() >= dims.units / 3, "{label}");
        }
    }
}
