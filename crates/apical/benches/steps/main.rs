//! Steps per second of each rule, beside what this machine could do at best and what straightforward code does.
//!
//! `cargo bench -p apical` prints two tables: a few steps beside naive Rust and NumPy (with `-- --all` also RTRL at n = 512,
//! which takes minutes; PYTHON names the interpreter of the NumPy peer, `python3` by default), then every rule beside the dense
//! operation it needs. `cargo bench -p apical -- rules` prints the second alone, `-- rules kf_rtrl` the rows with that name;
//! `-- murray` prints RFLO as Murray 2019 runs it, beside NumPy; `-- batch` learning by trials with a batch, and ModProp online.

mod batch;
mod clock;
mod machine;
mod murray;
mod peer;
mod rules;

use std::process::Command;

use apical::credit::{DendriticSpec, JacobianSpec, JacobianStart, Regressors};
use apical::kernel::{Simd, padded};
use apical::network::NetworkSpec;
use apical::rule::RuleSpec;
use apical::task::{AddSpec, Sample, Task, TaskSpec};
use apical::{Learner, LearnerSpec, Scalar, Streams};

/// Dendritic steps per second of one core of the published NumPy code, n = 32, 64 bits.
const PUBLISHED: f64 = 7_700.0;

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Dendritic,
    Rtrl,
    ReadoutOnly,
    /// The network alone: no loss, no learning.
    Inference,
}

impl Kind {
    const ALL: [Self; 4] = [
        Self::Dendritic,
        Self::Rtrl,
        Self::ReadoutOnly,
        Self::Inference,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Dendritic => "dendritic",
            Self::Rtrl => "rtrl",
            Self::ReadoutOnly => "readout_only",
            Self::Inference => "inference",
        }
    }

    /// What a step does most of: multiply-adds, or bytes of matrices read and written.
    fn work<T>(self, n: usize) -> Work {
        let size = size_of::<T>();
        let (w, a, j) = (n * padded(n + 3), n * padded(n + 3), n * padded(n));
        match self {
            Self::Rtrl => Work::MultiplyAdds(n * n * n * (n + 3)),
            Self::Inference => Work::Read(size * w),
            // W: drive; gradient and W: descent.
            Self::ReadoutOnly => Work::Traffic {
                bytes: size * 5 * w,
                footprint: size * 2 * w,
            },
            // As before and the gradient's outer product; A: outer product and voltage; A⁻: bootstrap and a fifth of
            // a copy; J: prediction, outer product, way back.
            Self::Dendritic => Work::Traffic {
                bytes: size * (7 * w + 3 * a + a + 2 * a / 5 + 4 * j),
                footprint: size * (2 * w + 2 * a + j),
            },
        }
    }
}

enum Work {
    MultiplyAdds(usize),
    Read(usize),
    Traffic { bytes: usize, footprint: usize },
}

fn learner<T: Scalar>(kind: Kind, units: usize) -> Learner<T> {
    let rule = match kind {
        Kind::Dendritic => {
            let rate = peer::distal_rate(units);
            let jacobian = JacobianSpec::Learned {
                rate,
                regressors: Regressors::Rates,
                start: JacobianStart::Weights,
            };
            RuleSpec::Dendritic(DendriticSpec {
                rate,
                jacobian,
                ..DendriticSpec::published()
            })
        }
        Kind::Rtrl => RuleSpec::Rtrl(Default::default()),
        Kind::ReadoutOnly | Kind::Inference => RuleSpec::ReadoutOnly(Default::default()),
    };
    let spec = LearnerSpec {
        network: NetworkSpec {
            units,
            ..NetworkSpec::default()
        },
        rule,
        ..LearnerSpec::default()
    };
    Learner::new(&spec, 2, 2, 1).expect("sizes that fit")
}

fn task<T: Scalar>() -> Box<dyn Task<T>> {
    let task = TaskSpec::Add(AddSpec::default());
    task.build(1, u64::MAX, &Streams::new(1), "train")
        .expect("lags that fit")
}

/// Seconds for one call of `step`: the best of many short runs, because the machine may be shared.
fn seconds(quick: bool, mut step: impl FnMut()) -> f64 {
    let start = clock::now();
    step();
    let guess = (clock::now() - start).max(1e-8);
    let calls = if quick {
        1
    } else {
        (0.01 / guess).clamp(1.0, 1e6) as u64
    };
    let mut best = f64::INFINITY;
    for _ in 0..if quick { 1 } else { 25 } {
        let start = clock::now();
        for _ in 0..calls {
            step();
        }
        best = best.min((clock::now() - start) / calls as f64);
    }
    best
}

fn library<T: Scalar>(kind: Kind, n: usize, quick: bool) -> f64 {
    let (mut learner, mut task) = (learner::<T>(kind, n), task::<T>());
    if kind == Kind::Inference {
        const STEPS: u64 = 100;
        return seconds(quick, || {
            learner.evaluate(&mut *task, STEPS).expect("a finite loss");
        }) / STEPS as f64;
    }
    let mut sample = Sample::new(1, 2, 2);
    seconds(quick, || {
        task.next(&mut sample);
        learner.learn_sample(&sample).expect("a finite loss");
    })
}

fn plain_rust<T: Scalar>(n: usize, quick: bool) -> f64 {
    let (mut peer, mut task) = (
        peer::Dendritic::like(&mut learner::<T>(Kind::Dendritic, n)),
        task::<T>(),
    );
    let mut sample = Sample::new(1, 2, 2);
    seconds(quick, || {
        task.next(&mut sample);
        peer.learn(&sample.x, &sample.y);
    })
}

/// The peer does the same arithmetic; otherwise its speed says nothing.
fn check_peer() {
    let (mut learner, mut task) = (learner::<f64>(Kind::Dendritic, 32), task::<f64>());
    let mut peer = peer::Dendritic::like(&mut learner);
    let mut sample = Sample::new(1, 2, 2);
    for _ in 0..200 {
        task.next(&mut sample);
        learner.learn_sample(&sample).expect("a finite loss");
        let loss = peer.learn(&sample.x, &sample.y);
        let apart = (learner.last_loss() - loss).abs();
        assert!(apart < 1e-10, "the peer computes something else: {apart}");
    }
}

/// Seconds for a step of the NumPy peer, or why there is no number.
fn numpy(n: usize, kind: &str) -> Result<f64, String> {
    let numbers = numpy_numbers("numpy_dendritic.py", &[&n.to_string(), kind])?;
    numbers.first().copied().ok_or_else(|| "no output".into())
}

/// The numbers a script of the benches prints, or why there are none.
fn numpy_numbers(script: &str, arguments: &[&str]) -> Result<Vec<f64>, String> {
    let python = std::env::var("PYTHON").unwrap_or_else(|_| "python3".into());
    let script = format!("{}/benches/{script}", env!("CARGO_MANIFEST_DIR"));
    let output = Command::new(&python)
        .env("OMP_NUM_THREADS", "1")
        .env("OPENBLAS_NUM_THREADS", "1")
        .arg(script)
        .args(arguments)
        .output()
        .map_err(|error| format!("{python}: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_string();
    let numbers = text.split_whitespace().map(str::parse).collect();
    match numbers {
        Ok(numbers) if output.status.success() => Ok(numbers),
        _ => {
            let error = String::from_utf8_lossy(&output.stderr);
            Err(format!(
                "{python}: {}",
                error.lines().last().unwrap_or("no output")
            ))
        }
    }
}

fn row<T: Scalar>(kind: Kind, n: usize, quick: bool, python: &mut Result<(), String>) -> f64 {
    let simd = Simd::detect();
    let time = library::<T>(kind, n, quick);
    let (rate, limit, unit) = match kind.work::<T>(n) {
        Work::MultiplyAdds(count) => {
            let limit = machine::multiply_adds::<T>(simd, |step| seconds(quick, step));
            (
                2.0 * count as f64 / time,
                2.0 * limit,
                "GFLOP/s of multiply-adds",
            )
        }
        Work::Read(bytes) => {
            let limit = machine::read::<T>(simd, bytes, |step| seconds(quick, step));
            (bytes as f64 / time, limit, "GB/s, reading")
        }
        Work::Traffic { bytes, footprint } => {
            let limit = machine::scale::<T>(simd, footprint, |step| seconds(quick, step));
            (bytes as f64 / time, limit, "GB/s, in-place scaling")
        }
    };
    print!(
        "{n:4} {} {:13}{:11.0}{:12.0}   {:6.1} of {:6.1} {unit:<24}",
        T::KIND,
        kind.name(),
        1.0 / time,
        1e9 * time,
        rate / 1e9,
        limit / 1e9
    );
    if kind == Kind::Dendritic {
        print!("{:7.1}x", plain_rust::<T>(n, quick) / time);
        if python.is_ok() {
            match numpy(n, T::KIND) {
                Ok(other) => print!("{:7.1}x", other / time),
                Err(reason) => *python = Err(reason),
            }
        }
    }
    println!();
    time
}

fn conditions(choice: &str) -> String {
    let clock = if clock::is_own() {
        "processor time"
    } else {
        "wall time"
    };
    let name = Simd::detect().name();
    format!("instruction set: {name}, one thread, {clock}, {choice}")
}

fn main() {
    let given = |flag: &str| std::env::args().any(|arg| arg == flag);
    // `cargo test --all-targets` runs this, too, without `--bench`: then once through is enough.
    let quick = !given("--bench");
    let words = std::env::args().skip(1);
    let words: Vec<String> = words.filter(|word| !word.starts_with("--")).collect();
    if words.first().is_some_and(|word| word == "rules") {
        println!("{}", conditions("best slices"));
        rules::table(&words[1..], quick);
        return;
    }
    if words.first().is_some_and(|word| word == "batch") {
        println!("{}", conditions("best of 25 runs"));
        batch::table(quick);
        return;
    }
    if words.first().is_some_and(|word| word == "murray") {
        println!("{}", conditions("best of 25 runs"));
        murray::table(quick);
        return;
    }
    let sizes: &[usize] = if quick { &[32] } else { &[32, 128, 512] };
    let mut python = if quick {
        Err("a quick run".into())
    } else {
        Ok(())
    };
    check_peer();
    println!("{}", conditions("best of 25 runs"));
    println!(
        "{:>4} {:3} {:13}{:>11}{:>12}   {:40} {:>7} {:>7}",
        "n",
        "",
        "rule",
        "steps/s",
        "ns/step",
        "dense work, of this machine's limit",
        "vs Rust",
        "vs NumPy"
    );
    let mut fast = f64::NAN;
    for &n in sizes {
        for kind in Kind::ALL {
            if kind == Kind::Rtrl && n == 512 && !given("--all") {
                continue;
            }
            let time = row::<f32>(kind, n, quick, &mut python);
            if (kind, n) == (Kind::Dendritic, 32) {
                fast = time;
            }
            row::<f64>(kind, n, quick, &mut python);
        }
    }
    if let Err(reason) = python {
        println!("NumPy was left out ({reason}); PYTHON names another interpreter.");
    }
    if quick {
        rules::table(&[], quick);
        batch::table(quick);
        murray::table(quick);
        println!("one call each: these numbers only show that everything runs");
        return;
    }
    println!(
        "dendritic, n = 32, f32: {:.0} times the {PUBLISHED} steps a CPU second of the published NumPy code (target: 100)",
        1.0 / fast / PUBLISHED
    );
    rules::table(&[], quick);
}
