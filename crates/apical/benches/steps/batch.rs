//! Learning by trials with a batch: delayed XOR as published, 120 voltage units, 32 samples, 900 steps; and ModProp online beside the three-factor rule.
//!
//! The bare work is what no form of the rule can do without: W a, the sum of outer products, and for rules that send credit through the weights themselves Wᵀ λ. The
//! machine's rates are measured in the same run: multiply-adds in registers, and the library's own product of matrices that fit the cache.

use apical::constraint::TypesSpec;
use apical::feedback::FeedbackSpec;
use apical::kernel::{Simd, add_outer_sum, padded};
use apical::network::NetworkSpec;
use apical::neuron::{Activation, NeuronSpec, VoltageSpec};
use apical::rule::{Drive, FeedbackWeights, ModPropSpec, RuleSpec};
use apical::task::{DelayedXorSpec, Sample, TaskSpec};
use apical::{Learner, LearnerSpec, Streams, Update};

use crate::clock::Timed;
use crate::{machine, seconds};

const UNITS: usize = 120;
const BATCH: usize = 32;
const TRIAL: usize = 900;
const ITERATIONS: f64 = 3_000.0;

fn learner(rule: RuleSpec, batch: usize, update: Update) -> Learner<f32> {
    let spec = LearnerSpec {
        network: NetworkSpec {
            units: UNITS,
            neuron: NeuronSpec::Voltage(VoltageSpec {
                leak: 0.99,
                activation: Activation::Relu,
            }),
            types: Some(TypesSpec::Contiguous { count: 2 }),
            ..NetworkSpec::default()
        },
        feedback: FeedbackSpec::Symmetric {},
        rule,
        update,
        batch,
        ..LearnerSpec::default()
    };
    Learner::new(&spec, 2, 2, 1).expect("sizes that fit")
}

fn modprop(drive: Drive, feedback_weights: FeedbackWeights) -> RuleSpec {
    RuleSpec::ModProp(ModPropSpec {
        drive,
        feedback_weights,
        ..ModPropSpec::default()
    })
}

fn named(name: &str) -> RuleSpec {
    RuleSpec::by_name(name).expect("a rule of the table")
}

/// Prints both tables.
pub fn table(quick: bool) {
    let simd = Simd::detect();
    let peak = machine::multiply_adds::<f32>(simd, |call| seconds(quick, call));
    let steps = if quick { 9 } else { TRIAL };
    let forward = UNITS * (UNITS + 3);
    let rows = [
        ("readout_only", named("readout_only"), forward),
        ("three_factor", named("rflo"), 2 * forward),
        ("mdgl, types", named("mdgl"), 2 * forward),
        (
            "modprop, types, code",
            modprop(Drive::Code, FeedbackWeights::Typed),
            2 * forward,
        ),
        (
            "modprop, types, paper",
            modprop(Drive::Paper, FeedbackWeights::Typed),
            2 * forward,
        ),
        (
            "modprop, W, code",
            modprop(Drive::Code, FeedbackWeights::Cell),
            2 * forward + UNITS * UNITS,
        ),
        (
            "modprop, W, paper",
            modprop(Drive::Paper, FeedbackWeights::Cell),
            2 * forward + UNITS * UNITS,
        ),
        ("bptt", named("bptt"), 2 * forward + UNITS * UNITS),
    ];
    // In turn, as below: what else the machine does slows all of them and the product alike.
    let (multiply_adds, product) = product(simd);
    let mut product = Timed::new(product);
    let mut timed = rows
        .map(|(name, rule, multiply_adds)| (name, Timed::new(trial(rule, steps)), multiply_adds));
    for _ in 0..if quick { 1 } else { 40 } {
        product.slice();
        timed.iter_mut().for_each(|(_, timed, _)| timed.slice());
    }
    let product = multiply_adds as f64 / product.best;
    println!();
    println!(
        "delayed XOR, n = {UNITS}, batch {BATCH}, {TRIAL} steps, f32, one core: {:.0} Gflop/s in registers, {:.0} in the library's product of matrices",
        2e-9 * peak,
        2e-9 * product
    );
    println!(
        "| rule, by trials | us a sample-step | Gflop/s | of registers | of the product | 3,000 iterations |"
    );
    println!("|---|---|---|---|---|---|");
    for (name, timed, multiply_adds) in timed {
        let each = timed.best / (steps * BATCH) as f64;
        let rate = multiply_adds as f64 / each;
        println!(
            "| {name} | {:.3} | {:.1} | {:.0} % | {:.0} % | {:.0} s |",
            1e6 * each,
            2e-9 * rate,
            100.0 * rate / peak,
            100.0 * rate / product,
            ITERATIONS * each * (TRIAL * BATCH) as f64
        );
    }
    println!();
    println!("online, n = {UNITS}, batch 1, f32, two types, an error and an update at every step:");
    println!("| rule | us a step | of three_factor |");
    println!("|---|---|---|");
    let rules = [
        ("three_factor", named("rflo")),
        ("mdgl, types", named("mdgl")),
        (
            "modprop, types, code",
            modprop(Drive::Code, FeedbackWeights::Typed),
        ),
        (
            "modprop, types, paper",
            modprop(Drive::Paper, FeedbackWeights::Typed),
        ),
    ];
    // In turn, slice by slice, and built anew some times: where in memory arrays happen to lie also counts.
    let mut best = [f64::INFINITY; 4];
    for _ in 0..if quick { 1 } else { 5 } {
        let mut timed = rules
            .each_ref()
            .map(|(_, rule)| Timed::new(online(rule.clone())));
        for _ in 0..if quick { 1 } else { 100 } {
            timed.iter_mut().for_each(Timed::slice);
        }
        for (best, timed) in best.iter_mut().zip(timed) {
            *best = best.min(timed.best);
        }
    }
    for ((name, _), time) in rules.iter().zip(best) {
        println!("| {name} | {:.2} | {:.2} |", 1e6 * time, time / best[0]);
    }
}

/// Learns from a step of a stream, whose units cross their thresholds now and then.
fn online(rule: RuleSpec) -> impl FnMut() {
    let mut learner = learner(rule, 1, Update::Step);
    let inputs: Vec<[f32; 2]> = (0..1_000_u16)
        .map(|t| [(0.05 * f32::from(t)).sin(), (0.021 * f32::from(t)).cos()])
        .collect();
    let mut steps = inputs.into_iter().cycle();
    move || {
        let x = steps.next().expect("a cycle");
        let y = if x[0] > x[1] { [0.0, 1.0] } else { [1.0, 0.0] };
        learner.learn(&x, &y).expect("numbers that are finite");
    }
}

/// Learns from a trial of delayed XOR.
fn trial(rule: RuleSpec, steps: usize) -> impl FnMut() {
    let mut learner = learner(rule, BATCH, Update::Trial);
    let task = TaskSpec::DelayedXor(DelayedXorSpec::default());
    let mut task = task
        .build::<f32>(BATCH, u64::MAX, &Streams::new(1), "train")
        .expect("a trial that fits");
    let mut sample = Sample::new(BATCH, 2, 2);
    move || {
        for t in 0..steps {
            task.next(&mut sample);
            (sample.first, sample.last) = (t == 0, t + 1 == steps);
            // The loss counts at the last step, whatever the length.
            sample.mask.fill(f32::from(u8::from(sample.last)));
            learner
                .learn_sample(&sample)
                .expect("numbers that are finite");
        }
    }
}

/// A product of matrices that stay in the cache, 120 × 256 × 128, and its multiply-adds.
fn product(simd: Simd) -> (usize, impl FnMut()) {
    const STEPS: usize = 256;
    let (stride, apart) = (padded(UNITS + 3), padded(UNITS));
    let mut result = vec![0.0_f32; UNITS * stride];
    let factors = vec![0.5_f32; STEPS * apart];
    let vectors = vec![0.25_f32; STEPS * stride];
    let run = move || {
        add_outer_sum(simd, &mut result, stride, &factors, apart, UNITS, &vectors);
    };
    (UNITS * STEPS * stride, run)
}
