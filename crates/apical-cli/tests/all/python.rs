//! Installs the package as a user would, into a virtual environment under the target folder, and runs its Python tests.
//!
//! Needs Python 3.9 or newer and, the first time, the package index. `APICAL_PYTHON` names the interpreter,
//! `APICAL_PYTHON_TESTS=skip` leaves these tests out.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use apical::neuron::{NeuronSpec, RateSpec};
use apical::rule::{RULES, RuleSpec};
use apical::task::Sample;
use apical::{Learner, LearnerSpec, Scalar, Update};
use serde_json::{Map, Value, json};

/// What the tests use beside the package; maturin builds it.
const PACKAGES: [&str; 9] = [
    "jsonschema",
    "maturin>=1.9,<2",
    "matplotlib",
    "numpy",
    "pandas",
    "pip>=22.3",
    "pytest",
    "safetensors",
    "tqdm",
];

fn root() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    root.canonicalize().unwrap()
}

fn run(command: &mut Command) -> Result<String, String> {
    let Output {
        status,
        stdout,
        stderr,
    } = command
        .output()
        .map_err(|error| format!("{command:?} cannot be started: {error}"))?;
    let text = String::from_utf8_lossy(&stdout).into_owned() + &String::from_utf8_lossy(&stderr);
    match status.success() {
        true => Ok(text),
        false => Err(format!("{command:?} failed:\n{text}")),
    }
}

fn python(program: impl AsRef<OsStr>, arguments: &[&str]) -> Result<String, String> {
    let mut command = Command::new(program);
    // Neither packages of this user nor those of another environment.
    command.env_remove("PYTHONPATH").env_remove("PYTHONHOME");
    run(command.env("PYTHONNOUSERSITE", "1").args(arguments))
}

/// An interpreter that is new enough.
fn interpreter() -> String {
    let named = std::env::var("APICAL_PYTHON").ok();
    let candidates = match &named {
        Some(named) => vec![named.as_str()],
        None => vec!["python3", "python"],
    };
    let version = "import sys; assert sys.version_info >= (3, 9), sys.version";
    let mut reasons = String::new();
    for candidate in candidates {
        match python(candidate, &["-c", version]) {
            Ok(_) => return candidate.into(),
            Err(reason) => reasons.push_str(&reason),
        }
    }
    panic!(
        "the Python tests need Python 3.9 or newer. Name one by APICAL_PYTHON, or leave them out by \
         APICAL_PYTHON_TESTS=skip.\n{reasons}"
    );
}

/// The interpreter of an environment with everything but the package itself; made once.
fn environment() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("python");
    let inside = match cfg!(windows) {
        true => folder.join("Scripts").join("python.exe"),
        false => folder.join("bin").join("python"),
    };
    let place = folder.to_str().expect("a path of plain text");
    if python(&inside, &["-c", "pass"]).is_err() {
        let outside = interpreter();
        // Debian's Python lacks ensurepip; its own pip can install into the environment.
        let made = python(&outside, &["-m", "venv", "--clear", place]);
        made.or_else(|_| {
            python(&outside, &["-m", "venv", "--clear", "--without-pip", place])?;
            let there = inside.to_str().unwrap_or_default();
            python(
                &outside,
                &["-m", "pip", "--python", there, "install", "-q", "pip"],
            )
        })
        .unwrap_or_else(|reason| panic!("the environment for the Python tests: {reason}"));
    }
    let mut install = vec!["-m", "pip", "install", "-q"];
    install.extend(PACKAGES);
    python(&inside, &install)
        .unwrap_or_else(|reason| panic!("packages for the Python tests: {reason}"));
    inside
}

/// Losses and weights of one learner, bit by bit: shortest decimals that read back the same. Steps come from a stream
/// whose trials are begun by hand, or as the samples of a task.
fn trace<T: Scalar>(
    spec: &LearnerSpec,
    [x, y]: [&[[f64; 2]]; 2],
    trial: usize,
    samples: bool,
) -> Value {
    let mut learner = Learner::<T>::new(spec, 2, 2, 5).unwrap();
    let mut sample = Sample::new(1, 2, 2);
    let mut losses = Vec::new();
    for (t, (x, y)) in x.iter().zip(y).enumerate() {
        let (x, y) = (x.map(T::of), y.map(T::of));
        sample.first = t % trial == 0;
        sample.last = t % trial == trial - 1;
        if samples {
            sample.x.copy_from_slice(&x);
            sample.y.copy_from_slice(&y);
            learner.learn_sample(&sample).unwrap();
        } else {
            if sample.first {
                learner.begin_trial();
            }
            learner.learn(&x, &y).unwrap();
        }
        losses.push(learner.last_loss());
    }
    learner.end_trial();
    let of = |name: &str| -> Vec<f64> {
        let values = learner.parameter(name).unwrap();
        values.into_iter().map(T::f64).collect()
    };
    json!({"loss": losses, "W_rec": of("W_rec"), "W_out": of("W_out")})
}

/// What this library computes for learners the Python tests build again.
fn reference(path: &Path) {
    let (steps, trial) = (40, 10);
    let wave = |t: usize, k: f64| ((t as f64 + 1.0) * k).sin();
    let x: Vec<[f64; 2]> = (0..steps).map(|t| [wave(t, 0.7), wave(t, 1.3)]).collect();
    let y: Vec<[f64; 2]> = (0..steps).map(|t| [wave(t, 0.4), wave(t, 2.1)]).collect();
    let (mut rules, mut updates) = (Map::new(), Map::new());
    for info in RULES {
        let mut spec = LearnerSpec {
            loss: serde_json::from_value(json!({"kind": "mean_squared_error"})).unwrap(),
            rule: RuleSpec::by_name(info.name).unwrap(),
            ..LearnerSpec::default()
        };
        spec.network.units = 8;
        spec.network.neuron = NeuronSpec::Rate(RateSpec {
            alpha: 0.5,
            ..RateSpec::default()
        });
        let every_step = Learner::<f64>::new(&spec, 2, 2, 5).is_ok();
        if !every_step {
            spec.update = Update::Trial;
        }
        let update = if every_step { "step" } else { "trial" };
        updates.insert(info.name.into(), update.into());
        let data = [&x[..], &y[..]];
        let double = [false, true].map(|samples| trace::<f64>(&spec, data, trial, samples));
        let single = [false, true].map(|samples| trace::<f32>(&spec, data, trial, samples));
        let results = json!({"float64": double, "float32": single});
        rules.insert(info.name.into(), results);
    }
    let all = json!({"x": x, "y": y, "trial": trial, "rules": rules, "updates": updates});
    fs::write(path, all.to_string()).unwrap();
}

#[test]
fn the_python_package_installs_and_passes_its_tests() {
    if std::env::var("APICAL_PYTHON_TESTS").is_ok_and(|choice| choice == "skip") {
        eprintln!("the Python tests are left out, because APICAL_PYTHON_TESTS is `skip`");
        return;
    }
    let inside = environment();
    let root = root();
    // Where this test was built everything but the package itself is built already.
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let bin = inside.parent().unwrap();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::iter::once(bin.to_path_buf()).chain(std::env::split_paths(&path));
    let path = std::env::join_paths(path).unwrap();
    let mut install = Command::new(&inside);
    install
        .args([
            "-m",
            "pip",
            "install",
            "-q",
            "--no-build-isolation",
            "--no-deps",
        ])
        .args(["--force-reinstall", "--no-cache-dir"])
        .arg(&root)
        .env("CARGO_TARGET_DIR", target)
        .env("PATH", path)
        .env_remove("PYTHONPATH");
    run(&mut install).unwrap_or_else(|reason| panic!("the package: {reason}"));

    let expected = Path::new(env!("CARGO_TARGET_TMPDIR")).join("reference.json");
    reference(&expected);
    let mut tests = Command::new(&inside);
    tests
        .args([
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            "--durations=5",
            "-rs",
        ])
        .arg(root.join("crates/apical-python/tests"))
        .current_dir(env!("CARGO_TARGET_TMPDIR"))
        .env("APICAL_REFERENCE", expected)
        .env("APICAL_PROGRAM", env!("CARGO_BIN_EXE_apical"))
        .env("PYTHONNOUSERSITE", "1")
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("MPLBACKEND", "Agg")
        .env_remove("PYTHONPATH");
    match run(&mut tests) {
        Ok(text) => println!("{text}"),
        Err(reason) => panic!("{reason}"),
    }
}
