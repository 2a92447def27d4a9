//! One row for every rule and size: its step beside the dense operations the step cannot do without, run alone.
//!
//! Step and bare operations take turns in one process and each keeps its best slice of a millisecond or one call, so that
//! load on a shared machine meets both alike. The samples of a step are drawn beforehand.

use std::fmt::Write as _;

use apical::constraint::TypesSpec;
use apical::credit::{DendriticSpec, JacobianSpec, JacobianStart, Regressors};
use apical::eligibility::{SnapSpec, UoroSpec};
use apical::kernel::{Simd, padded};
use apical::network::{Network, NetworkSpec};
use apical::optimizer::OptimizerSpec;
use apical::rule::{
    CombinedSpec, CreditSpec, Drive, EligibilitySpec, ModPropSpec, RULES, RuleSpec,
};
use apical::task::Sample;
use apical::{Learner, LearnerSpec, Scalar, Stream, Streams, Update};

use crate::clock::Timed;
use crate::{machine, peer, task};

/// Steps of a trial, for rules that learn at the end of trials.
const TRIAL: usize = 100;
/// The share of the dense operation's own rate that every rule should reach from n = 128 on.
const SHARE: f64 = 0.4;
/// The largest influence matrix in the table: 137 MB at n = 256 in 64 bits.
const INFLUENCE: usize = 256;

/// What one step must do at least, whatever the code: passes over matrices counted once each, products as one product.
#[derive(Clone, Copy, Default)]
struct Need {
    /// Numbers read and left as they are: weights in matrix–vector products.
    read: usize,
    /// Numbers read, changed and written back.
    in_place: usize,
    multiply_adds: usize,
    /// Normal random numbers.
    normals: usize,
}

#[derive(Clone, Copy, PartialEq)]
enum Schedule {
    Online,
    Trials,
}

struct Row {
    name: &'static str,
    spec: fn(usize) -> RuleSpec,
    schedule: Schedule,
    /// Share of the recurrent weights that are not zero.
    density: f64,
    largest: usize,
    /// Microseconds a step in f64 NumPy at n = 32 and n = 128, and how many times faster f32 is to be.
    numpy: Option<[(f64, f64); 2]>,
    /// The dense operation that dominates.
    operation: &'static str,
    need: fn(Sizes) -> Need,
}

/// Sizes that needs are counted in.
#[derive(Clone, Copy)]
struct Sizes {
    n: usize,
    /// Presynaptic signals a unit.
    m: usize,
    /// Numbers in W, with padding; in A of the dendritic rule; in an n × n matrix.
    w: usize,
    a: usize,
    j: usize,
    /// Σ over units of (units reached)², for sparse influence.
    reached: usize,
}

const SIZES: [usize; 4] = [32, 128, INFLUENCE, 512];

fn named(name: &str) -> RuleSpec {
    RuleSpec::by_name(name).expect("a rule of the table")
}

/// Through types, as published.
fn modprop(drive: Drive) -> RuleSpec {
    RuleSpec::ModProp(ModPropSpec {
        drive,
        ..ModPropSpec::default()
    })
}

fn dendritic_spec(n: usize, jacobian: JacobianSpec) -> DendriticSpec {
    DendriticSpec {
        rate: peer::distal_rate(n),
        jacobian,
        ..DendriticSpec::published()
    }
}

fn learned(n: usize) -> JacobianSpec {
    JacobianSpec::Learned {
        rate: peer::distal_rate(n),
        regressors: Regressors::Rates,
        start: JacobianStart::Weights,
    }
}

fn rows() -> Vec<Row> {
    let row = |name, spec, operation, need| Row {
        name,
        spec,
        schedule: Schedule::Online,
        density: 1.0,
        largest: 512,
        numpy: None,
        operation,
        need,
    };
    let trials = |row: Row| Row {
        schedule: Schedule::Trials,
        ..row
    };
    let small = |row: Row| Row {
        largest: INFLUENCE,
        ..row
    };
    let against = |row: Row, small: f64, large: f64, times: f64| Row {
        numpy: Some([(small, 30.0), (large, times)]),
        ..row
    };
    // Every rule: the network's W a, then the gradient (with what it is made of) and the weights; local ones keep no gradient.
    let traced: fn(Sizes) -> Need = |s| Need {
        read: s.w,
        in_place: 3 * s.w,
        ..Need::default()
    };
    let influence: fn(Sizes) -> Need = |s| Need {
        multiply_adds: s.n * s.n * s.n * s.m,
        ..Need::default()
    };
    let product = "J M, matrix product";
    let traces = "trace, gradient, weights in place";
    vec![
        row(
            "readout_only",
            |_| named("readout_only"),
            "W a, matrix-vector product",
            |s| Need {
                read: s.w,
                ..Need::default()
            },
        ),
        row(
            "random_gradient",
            |_| named("random_gradient"),
            "drawing n m normal numbers",
            |s| Need {
                read: s.w,
                in_place: 2 * s.w,
                normals: s.n * s.m,
                ..Need::default()
            },
        ),
        against(
            row(
                "rflo",
                |_| named("rflo"),
                "trace, weights in place",
                |s| Need {
                    read: s.w,
                    in_place: 2 * s.w,
                    ..Need::default()
                },
            ),
            55.0,
            112.0,
            10.0,
        ),
        trials(row(
            "rflo, trials",
            |_| named("rflo"),
            "W a; sum of outer products",
            |s| Need {
                read: s.w,
                multiply_adds: s.n * s.m,
                ..Need::default()
            },
        )),
        row(
            "mdgl",
            |_| named("mdgl"),
            "trace, gradient twice, weights in place",
            |s| Need {
                read: s.w,
                in_place: 4 * s.w,
                ..Need::default()
            },
        ),
        trials(row(
            "mdgl, trials",
            |_| named("mdgl"),
            "W a; sum of outer products",
            |s| Need {
                read: s.w,
                multiply_adds: s.n * s.m,
                ..Need::default()
            },
        )),
        row("modprop code", |_| modprop(Drive::Code), traces, traced),
        row(
            "modprop paper",
            |_| modprop(Drive::Paper),
            "both traces, gradient, weights in place",
            |s| Need {
                read: s.w,
                in_place: 4 * s.w,
                ..Need::default()
            },
        ),
        trials(row(
            "modprop, trials",
            |_| modprop(Drive::Paper),
            "W a; sum of outer products",
            |s| Need {
                read: s.w,
                multiply_adds: s.n * s.m,
                ..Need::default()
            },
        )),
        row("snap 1", |_| named("snap"), traces, traced),
        row(
            "node_perturbation",
            |_| named("node_perturbation"),
            traces,
            traced,
        ),
        trials(row(
            "miconi, trials",
            |_| named("miconi"),
            "trace in place",
            |s| Need {
                read: s.w,
                in_place: s.w,
                ..Need::default()
            },
        )),
        against(
            row(
                "dendritic exact",
                |n| RuleSpec::Dendritic(dendritic_spec(n, JacobianSpec::Exact {})),
                "matrix-vector, outer products",
                |s| Need {
                    read: 2 * s.w + 2 * s.a,
                    in_place: s.w + s.a,
                    ..Need::default()
                },
            ),
            87.0,
            290.0,
            10.0,
        ),
        against(
            row(
                "dendritic learned",
                |n| RuleSpec::Dendritic(dendritic_spec(n, learned(n))),
                "matrix-vector, outer products",
                |s| Need {
                    read: s.w + 2 * s.a + 2 * s.j,
                    in_place: s.w + s.a + s.j,
                    ..Need::default()
                },
            ),
            87.0,
            290.0,
            10.0,
        ),
        row(
            "dendritic local",
            |n| {
                let jacobian = JacobianSpec::Local {
                    rate: peer::distal_rate(n),
                    decay: 0.01,
                    regressors: Regressors::Rates,
                };
                RuleSpec::Dendritic(dendritic_spec(n, jacobian))
            },
            "matrix-vector, outer products",
            |s| Need {
                read: s.w + 2 * s.a + 2 * s.j,
                in_place: s.w + s.a + 2 * s.j,
                ..Need::default()
            },
        ),
        row(
            "combined trace x dendritic",
            |n| {
                RuleSpec::Combined(CombinedSpec {
                    eligibility: EligibilitySpec::Trace(Default::default()),
                    credit: CreditSpec::Dendritic(dendritic_spec(n, learned(n))),
                })
            },
            "matrix-vector, outer products",
            |s| Need {
                read: s.w + 2 * s.a + 2 * s.j,
                in_place: 2 * s.w + s.a + s.j,
                ..Need::default()
            },
        ),
        against(
            row(
                "uoro",
                |_| named("uoro"),
                "B, gradient, weights in place",
                |s| Need {
                    read: 2 * s.w,
                    in_place: 3 * s.w,
                    ..Need::default()
                },
            ),
            115.0,
            313.0,
            10.0,
        ),
        row(
            "uoro, epsilon",
            |_| {
                let epsilon = Some(1e-3);
                RuleSpec::Uoro(UoroSpec {
                    epsilon,
                    ..UoroSpec::default()
                })
            },
            "B, gradient, weights in place",
            |s| Need {
                read: 2 * s.w,
                in_place: 3 * s.w,
                ..Need::default()
            },
        ),
        against(
            row(
                "kernl",
                |_| named("kernl"),
                "traces, kernel in place",
                |s| Need {
                    read: 2 * s.w + 3 * s.j,
                    in_place: 3 * s.w + s.j,
                    ..Need::default()
                },
            ),
            87.0,
            176.0,
            10.0,
        ),
        against(
            row(
                "kf_rtrl",
                |_| named("kf_rtrl"),
                "J B, matrix product",
                |s| Need {
                    read: s.w,
                    in_place: 2 * s.w,
                    multiply_adds: s.n * s.n * s.n,
                    ..Need::default()
                },
            ),
            135.0,
            455.0,
            10.0,
        ),
        row(
            "r_kf_rtrl",
            |_| named("r_kf_rtrl"),
            "J B, matrix product",
            |s| Need {
                read: s.w,
                in_place: 2 * s.w,
                multiply_adds: s.n * s.n * s.m,
                ..Need::default()
            },
        ),
        against(
            small(row("rtrl", |_| named("rtrl"), product, influence)),
            242.0,
            20_631.0,
            3.0,
        ),
        small(row(
            "snap 2, dense",
            |_| RuleSpec::Snap(SnapSpec { order: 2 }),
            product,
            influence,
        )),
        Row {
            density: 0.1,
            ..small(row(
                "snap 2, 10 % of weights",
                |_| RuleSpec::Snap(SnapSpec { order: 2 }),
                "J M on what is reached",
                |s| Need {
                    multiply_adds: s.reached * s.m,
                    ..Need::default()
                },
            ))
        },
        trials(row(
            "bptt, trials",
            |_| named("bptt"),
            "W a, W^T c; outer products",
            |s| Need {
                read: 2 * s.w,
                multiply_adds: s.n * s.m,
                ..Need::default()
            },
        )),
        row(
            "e_bptt, 10 steps",
            |_| named("e_bptt"),
            "W a, W^T c; weights in place",
            |s| Need {
                read: 2 * s.w,
                in_place: 2 * s.w,
                multiply_adds: s.n * s.m,
                ..Need::default()
            },
        ),
        row(
            "f_bptt, 10 steps",
            |_| named("f_bptt"),
            "10 matrix-vector products",
            |s| Need {
                read: 10 * s.w,
                in_place: 2 * s.w,
                ..Need::default()
            },
        ),
        row(
            "tbptt, 10 steps",
            |_| named("tbptt"),
            "10 matrix-vector products",
            |s| Need {
                read: 10 * s.w,
                in_place: 2 * s.w,
                multiply_adds: 10 * s.n * s.m,
                ..Need::default()
            },
        ),
        row(
            "force",
            |_| named("force"),
            "P in place, matrix-vector products",
            |s| Need {
                read: s.w + s.j,
                in_place: s.j,
                ..Need::default()
            },
        ),
    ]
}

/// The network of a row, its recurrent weights thinned out.
fn network<T: Scalar>(row: &Row, units: usize, streams: &Streams) -> Network<T> {
    let spec = NetworkSpec {
        units,
        // For rules that ask for them.
        types: Some(TypesSpec::Contiguous { count: 2 }),
        ..NetworkSpec::default()
    };
    let mut network = Network::new(&spec, 2, 2, 1, streams).expect("sizes that fit");
    let mut stream = streams.stream("density", 0);
    for i in 0..units {
        for w in &mut network.synapses_mut().weights_mut().row_mut(i)[..units] {
            if stream.uniform() >= row.density {
                *w = T::ZERO;
            }
        }
    }
    network
}

fn learner<T: Scalar>(row: &Row, network: Network<T>, streams: &Streams) -> Learner<T> {
    let spec = LearnerSpec {
        rule: (row.spec)(network.dims().units),
        // Small, so that no rule runs away while it is timed.
        optimizer: OptimizerSpec {
            rate: 1e-6,
            ..OptimizerSpec::default()
        },
        update: match row.schedule {
            Schedule::Online => Update::Step,
            Schedule::Trials => Update::Trial,
        },
        ..LearnerSpec::default()
    };
    Learner::with_network(network, &spec, streams).expect("a rule that fits")
}

fn samples<T: Scalar>(schedule: Schedule) -> Vec<Sample<T>> {
    let mut task = task::<T>();
    let mut samples = vec![Sample::new(1, 2, 2); TRIAL];
    for sample in &mut samples {
        task.next(sample);
    }
    for sample in &mut samples {
        sample.first = false;
    }
    if schedule == Schedule::Trials {
        samples[0].first = true;
        samples[TRIAL - 1].last = true;
    }
    samples
}

/// Seconds of a step, and of what it needs at least.
#[derive(Clone, Copy)]
struct Cell {
    step: f64,
    bare: f64,
}

fn measure<T: Scalar>(row: &Row, n: usize, quick: bool) -> (Cell, Need) {
    let (simd, streams) = (Simd::detect(), Streams::new(1));
    let network = network::<T>(row, n, &streams);
    let weights = network.synapses().weights();
    let reached = |i: usize| {
        1 + (0..n)
            .filter(|k| *k != i && weights.row(*k)[i] != T::ZERO)
            .count()
    };
    let sizes = Sizes {
        n,
        m: n + 3,
        w: n * padded(n + 3),
        a: n * padded(n + 3),
        j: n * padded(n),
        reached: (0..n).map(|i| reached(i).pow(2)).sum(),
    };
    let need = (row.need)(sizes);
    let mut learner = learner(row, network, &streams);
    let samples = samples::<T>(row.schedule);
    let mut next = 0;
    let per_call = if row.schedule == Schedule::Trials {
        TRIAL
    } else {
        1
    };
    let mut step = Timed::new(|| {
        for _ in 0..per_call {
            learner.learn_sample(&samples[next]).expect("a finite loss");
            next = (next + 1) % TRIAL;
        }
    });
    // Arrays as large as those of the step, so that they lie in the same cache; what is changed is mostly read, too.
    let mut reader = machine::Reader::<T>::new(need.in_place.max(sizes.w));
    let mut scaler = machine::Scaler::<T>::new(need.in_place.max(1));
    let mut normals = Normals::<T>::new(&streams);
    let count = need.normals > 0;
    let mut bare: Vec<(f64, Timed<'_>)> = Vec::new();
    if need.read > 0 {
        let share = need.read as f64 / reader.numbers() as f64;
        bare.push((share, Timed::new(|| reader.run(simd))));
    }
    if need.in_place > 0 {
        let share = need.in_place as f64 / scaler.numbers() as f64;
        bare.push((share, Timed::new(|| scaler.run(simd))));
    }
    if need.multiply_adds > 0 {
        let share = need.multiply_adds as f64 / machine::ADDS as f64;
        bare.push((share, Timed::new(|| machine::add_up::<T>(simd))));
    }
    if count {
        let share = need.normals as f64 / Normals::<T>::COUNT as f64;
        bare.push((share, Timed::new(|| normals.run())));
    }
    // A slow step still gets a few turns.
    step.slice();
    let turn = step.best * step.calls as f64 + 1e-3 * bare.len() as f64;
    let turns = if quick {
        1
    } else {
        (0.25 / turn).clamp(5.0, 60.0) as usize
    };
    for _ in 0..turns {
        step.slice();
        bare.iter_mut().for_each(|(_, timed)| timed.slice());
    }
    let cell = Cell {
        step: step.best / per_call as f64,
        bare: bare.iter().map(|(share, timed)| share * timed.best).sum(),
    };
    (cell, need)
}

/// Normal numbers as rules draw them.
struct Normals<T> {
    stream: Stream,
    values: Vec<T>,
}

impl<T: Scalar> Normals<T> {
    const COUNT: usize = 1_000;

    fn new(streams: &Streams) -> Self {
        Self {
            stream: streams.stream("normals", 0),
            values: vec![T::ZERO; Self::COUNT],
        }
    }

    fn run(&mut self) {
        self.stream.fill_normal(&mut self.values, 1.0);
    }
}

fn with_unit(value: f64) -> String {
    match value {
        v if v >= 1e9 => format!("{:.1} G", v / 1e9),
        v if v >= 1e6 => format!("{:.1} M", v / 1e6),
        v => format!("{:.1} k", v / 1e3),
    }
}

/// The rate at which the bare operations run, in their own unit.
fn rate<T>(need: &Need, seconds: f64) -> String {
    let bytes = (size_of::<T>() * (need.read + 2 * need.in_place)) as f64;
    if need.normals > 0 {
        format!("{:.2} Gnumbers/s", need.normals as f64 / seconds / 1e9)
    } else if 2 * need.multiply_adds > 20 * (need.read + need.in_place) {
        format!("{:.0} GFLOP/s", 2e-9 * need.multiply_adds as f64 / seconds)
    } else {
        format!("{:.0} GB/s", bytes / seconds / 1e9)
    }
}

/// Prints the table, of the rules whose names contain one of `filter` if any is given.
pub fn table(filter: &[String], quick: bool) {
    let rows = rows();
    for info in RULES {
        let has_row = |row: &Row| (row.spec)(32).info().name == info.name;
        assert!(
            rows.iter().any(has_row),
            "{} has no row in this table",
            info.name
        );
    }
    println!();
    println!(
        "| rule | n | dense operation | needs, f32 | f32: us (steps/s) | alone | share | f64: us (steps/s) | alone | share | x NumPy (aim) |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|");
    let mut missed = Vec::new();
    for row in &rows {
        let chosen = |part: &String| row.name.contains(part.as_str());
        if !filter.is_empty() && !filter.iter().any(chosen) {
            continue;
        }
        for n in SIZES {
            let shown = if row.largest == INFLUENCE {
                n <= INFLUENCE
            } else {
                n != INFLUENCE
            };
            if shown && !(quick && n > 32) {
                line(row, n, quick, &mut missed);
            }
        }
    }
    if quick {
        return;
    }
    println!();
    match missed.is_empty() {
        true => println!(
            "Every row of n >= 128 reaches {:.0} % of its dense operation alone, and every aim against NumPy is met.",
            100.0 * SHARE
        ),
        false => println!("Missed (* in the table): {}.", missed.join("; ")),
    }
}

fn line(row: &Row, n: usize, quick: bool, missed: &mut Vec<String>) {
    let (short, need) = measure::<f32>(row, n, quick);
    let (long, _) = measure::<f64>(row, n, quick);
    let mut text = format!("| {} | {n} | {} | ", row.name, row.operation);
    let bytes = 4 * (need.read + 2 * need.in_place);
    let mut parts = Vec::new();
    if bytes > 0 {
        parts.push(format!("{}B", with_unit(bytes as f64)));
    }
    if need.multiply_adds > 0 {
        parts.push(format!(
            "{}flop",
            with_unit(2.0 * need.multiply_adds as f64)
        ));
    }
    if need.normals > 0 {
        parts.push(format!("{}draws", with_unit(need.normals as f64)));
    }
    let _ = write!(text, "{} |", parts.join(", "));
    for (kind, cell, alone) in [
        ("f32", short, rate::<f32>(&need, short.bare)),
        ("f64", long, rate::<f64>(&need, long.bare)),
    ] {
        let share = cell.bare / cell.step;
        let mark = if n >= 128 && share < SHARE { "*" } else { "" };
        if !mark.is_empty() {
            missed.push(format!(
                "{} {kind} n = {n}: {:.0} %",
                row.name,
                100.0 * share
            ));
        }
        let _ = write!(
            text,
            " {:.2} ({:.0}) | {alone} | {:.0} %{mark} |",
            1e6 * cell.step,
            1.0 / cell.step,
            100.0 * share
        );
    }
    let aim = match (row.numpy, n) {
        (Some([small, _]), 32) => Some(small),
        (Some([_, large]), 128) => Some(large),
        _ => None,
    };
    match aim {
        Some((microseconds, aim)) => {
            let times = 1e-6 * microseconds / short.step;
            let mark = if times < aim { "*" } else { "" };
            if !mark.is_empty() {
                missed.push(format!(
                    "{} n = {n}: {times:.1} of {aim} times NumPy",
                    row.name
                ));
            }
            let _ = write!(text, " {times:.1}{mark} ({aim:.0}) |");
        }
        None => text.push_str(" |"),
    }
    println!("{text}");
}
