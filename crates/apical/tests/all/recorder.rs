//! What is recorded is the mean over the box asked for, at the steps asked for.

use apical::monitor::{Monitor, MonitorSpec, Recorder};
use apical::network::NetworkSpec;
use apical::task::{AddSpec, TaskSpec};
use apical::{Learner, LearnerSpec, Result, Streams};

/// Keeps every loss, to average by hand.
struct Losses {
    recorder: Recorder,
    all: Vec<f64>,
}

impl Monitor<f64> for Losses {
    fn on_step(&mut self, learner: &Learner<f64>) -> Result<()> {
        self.recorder.on_step(learner)?;
        self.all.push(learner.last_loss());
        Ok(())
    }
}

#[test]
fn the_box_filter_is_the_mean_of_the_latest_steps() {
    const STEPS: usize = 200;
    for before in [0, 3] {
        let spec = LearnerSpec {
            network: NetworkSpec {
                units: 8,
                ..NetworkSpec::default()
            },
            ..LearnerSpec::default()
        };
        let mut learner = Learner::<f64>::new(&spec, 2, 2, 1).unwrap();
        let spec = TaskSpec::Add(AddSpec {
            lags: [0, 1],
            ..AddSpec::default()
        });
        let mut task = spec.build(1, 1_000, &Streams::new(1), "train").unwrap();
        // A recorder that comes late averages over what it saw.
        learner.run(&mut *task, before, &mut ()).unwrap();
        let windows = [
            (10, 1),
            (10, 4),
            (10, 10),
            (10, 25),
            (7, 7),
            (1, 1),
            (1, 6),
            (3, 100),
        ];
        let specs = windows.map(|(every, window)| MonitorSpec {
            quantity: "loss".into(),
            every,
            window: Some(window),
        });
        let recorder = Recorder::new(&specs, &learner).unwrap();
        let mut monitor = Losses {
            recorder,
            all: Vec::new(),
        };
        learner.run(&mut *task, STEPS as u64, &mut monitor).unwrap();
        // Between two records the end has the box as it then is, or what came into it since the last, or the step itself.
        let (step, ends) = (before + STEPS as u64, monitor.recorder.ends(&learner));
        for (end, (every, window)) in ends.into_iter().zip(windows) {
            let since = step % every;
            let held = match since + window {
                _ if window >= every => window.min(STEPS as u64),
                reach => reach.saturating_sub(every).max(1),
            };
            let latest = &monitor.all[STEPS - held as usize..];
            let mean = latest.iter().sum::<f64>() / latest.len() as f64;
            assert_eq!(end.is_some(), since > 0, "every {every} at {step}");
            assert!(
                end.is_none_or(|end| (end - mean).abs() < 1e-12),
                "every {every} window {window} at {step}"
            );
        }
        for (channel, (every, window)) in monitor.recorder.channels().iter().zip(windows) {
            let seen = |step: u64| (step - before) as usize;
            let due = (before + 1..=before + STEPS as u64).filter(|step| step % every == 0);
            assert_eq!(channel.steps, due.collect::<Vec<_>>());
            for (step, value) in channel.steps.iter().zip(&channel.values) {
                let end = seen(*step);
                let latest = &monitor.all[end.saturating_sub(window as usize)..end];
                let mean = latest.iter().sum::<f64>() / latest.len() as f64;
                assert!(
                    (value - mean).abs() < 1e-12,
                    "every {every} window {window} at {step}"
                );
            }
        }
    }
}
