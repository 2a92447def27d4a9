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

#[test]
fn steps_that_do_not_count_are_no_part_of_a_record() {
    let mut learner = Learner::<f64>::new(&LearnerSpec::default(), 2, 2, 1).unwrap();
    let specs = ["loss", "accuracy"].map(|quantity| MonitorSpec {
        every: 10,
        ..MonitorSpec::new(quantity)
    });
    let mut recorder = Recorder::new(&specs, &learner).unwrap();
    let accuracy = learner.find("accuracy").unwrap();
    let mut seen = Vec::new();
    // Ten steps of which some count, ten of which none does, four of which some do.
    for t in 0..24_u32 {
        let counts = t % 3 == 0 && !(10..20).contains(&t);
        let right = usize::from(t % 2 == 0);
        let y = [0, 1].map(|k| f64::from(u8::from(k == right)));
        let mask = [f64::from(u8::from(counts)); 2];
        learner
            .advance(&[f64::from(t).sin(), 0.5], &y, Some(&mask))
            .unwrap();
        learner.finish_step(false);
        recorder.on_step(&learner).unwrap();
        seen.push((counts, learner.last_loss(), learner.read(&accuracy)));
    }
    let means = |steps: std::ops::Range<usize>| {
        let held = steps.len() as f64;
        let counted: Vec<_> = seen[steps].iter().filter(|(counts, ..)| *counts).collect();
        let sum =
            |of: fn(&(bool, f64, f64)) -> f64| counted.iter().map(|step| of(step)).sum::<f64>();
        [
            sum(|step| step.1) / held,
            sum(|step| step.2) / counted.len() as f64,
        ]
    };
    let ends = recorder.ends(&learner);
    for (k, channel) in recorder.channels().iter().enumerate() {
        assert_eq!(channel.steps, [10, 20]);
        assert!((channel.values[0] - means(0..10)[k]).abs() < 1e-12);
        assert!(channel.values[1].is_nan());
        // The box at the end reaches back over ten steps.
        let end = ends[k].unwrap();
        assert!((end - means(14..24)[k]).abs() < 1e-12, "{end}");
    }
}
