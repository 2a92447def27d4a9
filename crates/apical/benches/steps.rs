//! Steps per second.
use apical::task::*;
use apical::*;
use std::time::Instant;
fn time<T: Scalar>(units: usize, rule: &str, steps: u64, bare: bool) -> f64 {
    let spec = LearnerSpec {
        network: network::NetworkSpec {
            units,
            ..Default::default()
        },
        rule: serde_json::from_str(rule).unwrap(),
        ..Default::default()
    };
    let mut l = Learner::<T>::new(&spec, 2, 2, 1).unwrap();
    let mut task = TaskSpec::Add(AddSpec::default())
        .build::<T>(1, 1000000, &Streams::new(1), "train")
        .unwrap();
    let mut s = Sample::new(1, 2, 2);
    let mut best = f64::INFINITY;
    for _ in 0..7 {
        let t = Instant::now();
        if bare {
            l.evaluate(&mut *task, steps).unwrap();
        } else {
            for _ in 0..steps {
                task.next(&mut s);
                l.learn_sample(&s).unwrap();
            }
        }
        best = best.min(t.elapsed().as_secs_f64() / steps as f64);
    }
    1e9 * best
}
fn main() {
    for n in [32, 128, 512] {
        let k = (3_000_000 / (n * n)) as u64;
        for (name, r) in [
            ("dendritic", r#"{"kind":"dendritic"}"#),
            (
                "dend-exact",
                r#"{"kind":"dendritic","jacobian":{"kind":"exact"}}"#,
            ),
            ("readout", r#"{"kind":"readout_only"}"#),
        ] {
            println!(
                "{n} {name} f32 {:.0} ns  f64 {:.0} ns",
                time::<f32>(n, r, k, false),
                time::<f64>(n, r, k, false)
            );
        }
        println!(
            "{n} infer f32 {:.0} ns  f64 {:.0} ns",
            time::<f32>(n, r#"{"kind":"readout_only"}"#, k, true),
            time::<f64>(n, r#"{"kind":"readout_only"}"#, k, true)
        );
        if n <= 128 {
            println!(
                "{n} rtrl f32 {:.0} ns  f64 {:.0} ns",
                time::<f32>(n, r#"{"kind":"rtrl"}"#, k / 20, false),
                time::<f64>(n, r#"{"kind":"rtrl"}"#, k / 20, false)
            );
        }
    }
}
