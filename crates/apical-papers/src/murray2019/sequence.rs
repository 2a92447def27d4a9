//! Figure 4: reaches on command, chained by a loop circuit into a sequence, against networks without the loop.

use std::sync::atomic::{AtomicBool, Ordering};

use apical::network::Activity;
use apical::task::{DIRECTIONS, ReachSpec, TaskSpec};
use apical::{CircuitSpec, Competition, Experiment, Learner, Scalar, Streams};

use super::judged::{Bound, Judged};
use super::lab::{Lab, Look, OneTrial, Outcome, Seen};
use super::periodic::{SEARCH, add_learning};
use super::{Part, Section, decimal};
use crate::claims::Claim;
use crate::{Choice, Report};
use apical_runs::circuit::SequenceLoop;
use apical_runs::figure::{Colour, Curve, Panel, Weight};
use apical_runs::seed_run::Progress;
use apical_runs::statistics::quantile;
use apical_runs::{Error, Result, experiment};

/// Trials of the circuit in one record.
const BLOCK: u64 = 100;
/// Rates that are tried for each stage.
const RATES: [f64; 5] = [3e-4, 1e-3, 3e-3, 1e-2, 3e-2];
/// Names of the rules of the selectors; the last one is a control.
const RULES: [&str; 4] = [
    "winner, rows of unit length",
    "winner, rows unbounded",
    "linear current, as printed",
    "not learning (control)",
];

/// The rules of the selectors that are compared.
fn circuits(spec: &CircuitSpec) -> [CircuitSpec; 4] {
    let unbounded = CircuitSpec {
        normalise: false,
        ..spec.clone()
    };
    let linear = CircuitSpec {
        activity: Competition::Linear,
        ..unbounded.clone()
    };
    let still = CircuitSpec {
        rate: 0.0,
        ..unbounded.clone()
    };
    [spec.clone(), unbounded, linear, still]
}

/// Held-out reaches, then every rule of the selectors.
///
/// `output` is the velocity of one syllable in each direction, the last one seen; the first of the `numbers` are the distances between
/// the end of each held-out reach and its goal, then for each rule shares of right transitions in training, and the velocity of the
/// trial after it with the number of right transitions in front.
struct Circuits<'a> {
    stop: &'a AtomicBool,
    progress: &'a dyn Progress,
}

/// Held-out trials of reaches.
const HELD_OUT: u64 = 10;

impl Look for Circuits<'_> {
    fn look<T: Scalar>(
        &self,
        experiment: &Experiment,
        learner: &mut Learner<T>,
        seed: u64,
    ) -> Result<Seen> {
        let (TaskSpec::Reach(reach), Some(circuit)) = (&experiment.task, &experiment.circuit)
        else {
            return Ok(Seen::default());
        };
        let streams = Streams::new(seed);
        let mut task = experiment
            .task
            .build::<T>(1, HELD_OUT * reach.trial(), &streams, "test")?;
        let syllable = 2 * reach.syllable() as usize;
        let mut seen = Seen {
            output: vec![0.0; DIRECTIONS.len() * syllable],
            numbers: vec![Vec::new()],
        };
        let mut sample = learner.sample_for(&*task)?;
        let network = learner.network();
        let mut activity = Activity::new(network.dims());
        let mut velocity = Vec::new();
        for _ in 0..HELD_OUT * reach.trial() {
            task.next(&mut sample);
            if sample.first {
                network.reset(&mut activity);
            }
            network.step::<false>(&mut activity, &sample.x);
            velocity.extend(activity.output.row(0).iter().map(|z| z.f64()));
            if velocity.len() == syllable {
                let told = sample.x.iter().position(|x| *x == T::ONE).unwrap_or(0);
                let end = path(&velocity, reach.movement).last().copied();
                seen.numbers[0].push(end.map_or(1.0, |end| distance(end, DIRECTIONS[told])));
                seen.output[told * syllable..][..syllable].copy_from_slice(&velocity);
                velocity.clear();
            }
        }
        let trial = reach.syllable() * circuit.sequence.len() as u64;
        for spec in circuits(circuit) {
            let streams = Streams::new(seed);
            let mut chain = SequenceLoop::new(network, reach, &spec, &streams)?;
            let mut shares = Vec::new();
            let mut done = 0;
            while done < spec.trials {
                if self.stop.load(Ordering::Relaxed) {
                    return Err(Error::Stopped);
                }
                let block = BLOCK.min(spec.trials - done);
                shares.push(chain.train(block));
                done += block;
                self.progress.advance(block * trial);
            }
            let last = chain.trial(false, true);
            let mut velocity = vec![last.right.0 as f64];
            velocity.extend(last.velocity.as_flattened());
            seen.numbers.push(shares);
            seen.numbers.push(velocity);
        }
        Ok(seen)
    }
}

fn load(name: &str, choice: Choice) -> Result<Experiment> {
    let mut e = experiment::load(&format!("murray2019/{name}"), &[])?;
    e.evaluate.steps = 0;
    if choice.quick {
        e.seeds = 2;
        e.steps = e.steps / 20 / 1_600 * 1_600;
        if let Some(circuit) = &mut e.circuit {
            circuit.trials /= 20;
        }
        if name != "reach" {
            e.steps /= 10;
        }
    }
    Ok(e)
}

const NAMES: [&str; 3] = ["reach", "sequence", "sequence-bptt"];
const LABELS: [&str; 3] = [
    "reaches on command, RFLO",
    "whole sequence, RFLO",
    "whole sequence, BPTT",
];

/// Every rate of each stage; the whole sequences for a tenth of their trials.
fn search(choice: Choice) -> Result<Vec<Vec<Experiment>>> {
    let rates = if choice.quick { &RATES[2..4] } else { &RATES };
    let of = |name: &&str| {
        let with = |rate: &f64| {
            let mut e = load(name, choice)?;
            e.optimizer.rate = *rate;
            e.seed = SEARCH;
            e.seeds = if choice.quick { 1 } else { 2 };
            e.circuit = None;
            if *name != "reach" {
                e.steps /= 10;
            }
            Ok(e)
        };
        rates.iter().map(with).collect()
    };
    NAMES.iter().map(of).collect()
}

/// Steps of everything.
pub fn planned(choice: Choice) -> Result<u64> {
    let mut steps = 0;
    for e in search(choice)?.iter().flatten() {
        steps += e.steps * e.seeds;
    }
    for name in NAMES {
        let e = load(name, choice)?;
        steps += (e.steps + RULES.len() as u64 * (e.all_steps() - e.steps)) * e.seeds;
    }
    Ok(steps)
}

/// Runs and judges figure 4.
pub fn run(choice: Choice, lab: &mut Lab<'_>) -> Result<Section> {
    let search = search(choice)?;
    lab.run(&search.concat(), &OneTrial)?;
    let mut chosen = Vec::new();
    let mut rows = Vec::new();
    for (tried, (name, label)) in search.iter().zip(NAMES.into_iter().zip(LABELS)) {
        let loss = |e: &Experiment| quantile(&lab.each(e, Outcome::late), 0.5);
        let best = tried.iter().min_by(|a, b| loss(a).total_cmp(&loss(b)));
        let rate = best.map_or(f64::NAN, |e| e.optimizer.rate);
        let mut e = load(name, choice)?;
        e.optimizer.rate = rate;
        chosen.push(e);
        let mut row = vec![label.to_string(), decimal(rate)];
        row.extend(tried.iter().map(|e| match e.optimizer.rate == rate {
            true => format!("**{}**", decimal(loss(e))),
            false => decimal(loss(e)),
        }));
        rows.push(row);
    }
    let mut header = vec!["stage".to_string(), "chosen".into()];
    header.extend(
        search[0]
            .iter()
            .map(|e| format!("loss at {}", decimal(e.optimizer.rate))),
    );
    let report = Report {
        name: "sequence-rates".into(),
        title: format!(
            "Rates of figure 4, none of which the paper prints; chosen: least median over {} networks (seeds from {SEARCH}) of the \
             late loss, whole sequences after a tenth of their trials",
            search[0][0].seeds
        ),
        on_screen: true,
        header,
        rows,
    };
    let circuits = Circuits {
        stop: lab.runner().stop,
        progress: lab.runner().progress,
    };
    lab.run(&chosen[..1], &circuits)?;
    lab.run(&chosen[1..], &OneTrial)?;
    let study = Study {
        lab,
        reach: &chosen[0],
        controls: &chosen[1..],
    };
    Ok(Section {
        reports: vec![report],
        ..Section::new(Part::Sequences, study.panels(), study.claims()?)
    })
}

struct Study<'a, 'b> {
    lab: &'a Lab<'b>,
    reach: &'a Experiment,
    controls: &'a [Experiment],
}

/// Positions of a cursor with this velocity, x and y of one step after another, from (0, 0).
fn path(velocity: &[f64], movement: u64) -> Vec<[f64; 2]> {
    let mut place = [0.0; 2];
    let steps = velocity.as_chunks::<2>().0.iter().map(|v| {
        for (p, v) in place.iter_mut().zip(v) {
            *p += v / movement as f64;
        }
        place
    });
    steps.collect()
}

fn distance(a: [f64; 2], b: [f64; 2]) -> f64 {
    (a[0] - b[0]).hypot(a[1] - b[1])
}

impl Study<'_, '_> {
    fn task(&self) -> ReachSpec {
        match &self.reach.task {
            TaskSpec::Reach(reach) => reach.clone(),
            _ => ReachSpec::default(),
        }
    }

    fn sequence(&self) -> Vec<usize> {
        let circuit = self.reach.circuit.as_ref();
        circuit.map_or(Vec::new(), |circuit| circuit.sequence.clone())
    }

    /// Where the cursor should be at each step of the sequence.
    fn target(&self) -> Vec<[f64; 2]> {
        let task = self.task();
        let mut velocity = Vec::new();
        for direction in self.sequence() {
            for t in 1..=task.syllable() {
                velocity.extend(DIRECTIONS[direction].map(|way| way * task.speed(t)));
            }
        }
        path(&velocity, task.movement)
    }

    /// Mean distance of the cursor from where it should be.
    fn astray(&self, velocity: &[f64]) -> f64 {
        let target = self.target();
        let path = path(velocity, self.task().movement);
        if path.len() < target.len() {
            // A network that diverged went nowhere that can be named: as one that stays where it is.
            return target.iter().map(|t| distance(*t, [0.0; 2])).sum::<f64>()
                / target.len() as f64;
        }
        let distances = path.iter().zip(&target).map(|(p, t)| distance(*p, *t));
        distances.sum::<f64>() / target.len() as f64
    }

    /// Velocity of the trial after training by rule `rule` of the selectors.
    fn chained(outcome: &Outcome, rule: usize) -> &[f64] {
        let numbers = outcome.seen.numbers.get(2 * rule + 2);
        numbers.map_or(&[], |n| &n[1..])
    }

    fn right(outcome: &Outcome, rule: usize) -> f64 {
        outcome.seen.numbers.get(2 * rule + 2).map_or(0.0, |n| n[0])
    }

    /// Mean distance between the end of a held-out reach and where it should end; a diverged network stays where it is.
    fn reach_error(outcome: &Outcome) -> f64 {
        match outcome.seen.numbers.first() {
            Some(errors) if !errors.is_empty() => errors.iter().sum::<f64>() / errors.len() as f64,
            _ => 1.0,
        }
    }

    fn claims(&self) -> Result<Vec<Claim>> {
        let lab = self.lab;
        let reaches = || {
            let errors = lab.each(self.reach, Self::reach_error);
            let judged = Judged {
                statement: "four tonic inputs command reaches in four directions".into(),
                measured: format!("median {}", decimal(quantile(&errors, 0.5))),
                ..Judged::of(
                    &errors,
                    "mean distance of the end of a held-out reach of length 1 from its goal",
                    Bound::Below(0.1),
                )
            };
            let source = "paper; \"match\" read as within a tenth of their length";
            Ok(judged.claim("4", "reaches", source))
        };
        let mut claims = vec![lab.judge(reaches)?];
        let sources = [
            "paper, with our two choices",
            "our choice of z",
            "paper, Methods as printed",
        ];
        for (rule, (text, source)) in RULES.into_iter().zip(sources).enumerate() {
            let judged = || {
                Ok(self
                    .learned(rule, text)
                    .claim("4", &format!("loop.{rule}"), source))
            };
            claims.push(lab.judge(judged)?);
        }
        let controls = [("rflo", "RFLO"), ("bptt", "BPTT")];
        for (e, (id, what)) in self.controls.iter().zip(controls) {
            let judged = || {
                Ok(self
                    .follows(e, what)
                    .claim("4", &format!("beats-{id}"), "paper"))
            };
            claims.push(lab.judge(judged)?);
        }
        Ok(claims)
    }

    /// Whether the loop learns the sequence by this rule of the selectors.
    fn learned(&self, rule: usize, text: &str) -> Judged {
        let transitions = (self.sequence().len() - 1) as f64;
        let shares = |rule| {
            self.lab
                .each(self.reach, |o| Self::right(o, rule) / transitions)
        };
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
        let (learned, still) = (shares(rule), shares(RULES.len() - 1));
        let all = learned.iter().filter(|share| **share == 1.0).count();
        Judged {
            statement: format!("the loop learns the sequence ({text})"),
            measured: format!(
                "{:.2}; whole sequence in {all} of {} networks; without learning {:.2}",
                mean(&learned),
                learned.len(),
                mean(&still)
            ),
            ..Judged::of(
                &learned,
                "share of right transitions after training",
                Bound::Above(0.95),
            )
        }
    }

    /// Whether the loop follows the sequence better than a network trained on the whole of it.
    fn follows(&self, alone: &Experiment, what: &str) -> Judged {
        let chained = |o: &Outcome| self.astray(Self::chained(o, 0));
        let chained = self.lab.each(self.reach, chained);
        let alone = self.lab.each(alone, |o| self.astray(&o.seen.output));
        let ratios: Vec<f64> = chained
            .iter()
            .zip(&alone)
            .map(|(a, b)| (a / b).log10())
            .collect();
        Judged {
            statement: format!("the loop follows the sequence better than {what} without it"),
            measured: format!(
                "median distances {} and {}",
                decimal(quantile(&chained, 0.5)),
                decimal(quantile(&alone, 0.5))
            ),
            ..Judged::of(
                &ratios,
                "log10 of the ratio of mean distances from the path",
                Bound::Below(0.0),
            )
        }
    }

    fn panels(&self) -> Vec<Panel> {
        let [cursor, horizontal, vertical] = self.movements();
        let (reaches, transitions) = (self.reaches(), self.transitions());
        vec![
            reaches,
            self.learning(),
            transitions,
            cursor,
            horizontal,
            vertical,
        ]
    }

    /// Reaches of the first network, in each direction.
    fn reaches(&self) -> Panel {
        let task = self.task();
        let mut reaches = Panel {
            title: "reaches on command, first network".into(),
            x_label: "x".into(),
            y_label: "y".into(),
            ..Panel::default()
        };
        let first = self.lab.of(self.reach).first();
        let syllable = 2 * task.syllable() as usize;
        for (k, way) in DIRECTIONS.into_iter().enumerate() {
            let velocity = first.and_then(|o| o.seen.output.chunks_exact(syllable).nth(k));
            let names = ["+x", "-x", "+y", "-y"];
            reaches.curves.push(line(
                &path(velocity.unwrap_or(&[]), task.movement),
                names[k],
                Colour::series(k),
                Weight::Dark,
            ));
            reaches.curves.push(line(
                &[[0.0; 2], way],
                "goal",
                Colour::Black,
                Weight::Dashed,
            ));
        }
        reaches
    }

    /// Shares of right transitions in training, by rules of the selectors.
    fn transitions(&self) -> Panel {
        let mut transitions = Panel {
            title: "training of the selectors".into(),
            x_label: "trial".into(),
            y_label: "share of right transitions".into(),
            y_range: Some((0.0, 1.05)),
            ..Panel::default()
        };
        for (rule, text) in RULES.into_iter().enumerate() {
            let shares: Vec<&[f64]> = self
                .lab
                .of(self.reach)
                .iter()
                .filter_map(|o| o.seen.numbers.get(2 * rule + 1).map(Vec::as_slice))
                .collect();
            let count = shares.first().map_or(0, |s| s.len());
            let x: Vec<f64> = (1..=count).map(|k| k as f64 * BLOCK as f64).collect();
            let values: Vec<Vec<f64>> = (0..count)
                .map(|k| shares.iter().map(|s| s[k]).collect())
                .collect();
            transitions.add_spread(x, &values, text, Colour::series(rule));
        }
        transitions
    }

    /// The cursor and its velocities in the first network.
    fn movements(&self) -> [Panel; 3] {
        let task = self.task();
        let first = self.lab.of(self.reach).first();
        let target = self.target();
        let mut cursor = Panel {
            title: "cursor, first network".into(),
            x_label: "x".into(),
            y_label: "y".into(),
            ..Panel::default()
        };
        let mut velocities = ["horizontal", "vertical"].map(|what| Panel {
            title: format!("{what} velocity, first network"),
            x_label: "step".into(),
            y_label: "displacements a movement".into(),
            ..Panel::default()
        });
        let output = |e: &Experiment| {
            let first = self.lab.of(e).first();
            first.map_or(Vec::new(), |o| o.seen.output.clone())
        };
        let loop_velocity = first.map_or(Vec::new(), |o| Self::chained(o, 0).to_vec());
        let mut ideal = Vec::new();
        for direction in self.sequence() {
            for t in 1..=task.syllable() {
                ideal.extend(DIRECTIONS[direction].map(|way| way * task.speed(t)));
            }
        }
        for (velocity, label, colour) in [
            (loop_velocity, "loop and RFLO", Colour::Blue),
            (output(&self.controls[0]), "RFLO alone", Colour::Vermilion),
            (output(&self.controls[1]), "BPTT alone", Colour::Green),
        ] {
            cursor.curves.push(line(
                &path(&velocity, task.movement),
                label,
                colour,
                Weight::Dark,
            ));
            add_velocities(&mut velocities, &velocity, label, colour, Weight::Dark);
        }
        cursor
            .curves
            .push(line(&target, "target", Colour::Black, Weight::Dashed));
        add_velocities(
            &mut velocities,
            &ideal,
            "target",
            Colour::Black,
            Weight::Dashed,
        );
        let [horizontal, vertical] = velocities;
        [cursor, horizontal, vertical]
    }

    fn learning(&self) -> Panel {
        let mut learning = Panel {
            title: "learning curves".into(),
            x_label: "blocks of 1,600 steps".into(),
            y_label: "loss".into(),
            log_y: true,
            ..Panel::default()
        };
        for (k, (e, label)) in std::iter::once(self.reach)
            .chain(self.controls)
            .zip(LABELS)
            .enumerate()
        {
            let label = format!("{label}, {}", decimal(e.optimizer.rate));
            add_learning(&mut learning, self.lab.of(e), label, Colour::series(k));
        }
        learning
    }
}

fn line(points: &[[f64; 2]], label: &str, colour: Colour, weight: Weight) -> Curve {
    Curve {
        label: Some(label.into()),
        x: points.iter().map(|p| p[0]).collect(),
        y: points.iter().map(|p| p[1]).collect(),
        colour,
        weight,
    }
}

fn add_velocities(
    panels: &mut [Panel; 2],
    velocity: &[f64],
    label: &str,
    colour: Colour,
    weight: Weight,
) {
    for (k, panel) in panels.iter_mut().enumerate() {
        let y: Vec<f64> = velocity.iter().skip(k).step_by(2).copied().collect();
        panel.curves.push(Curve {
            label: Some(label.into()),
            x: (1..=y.len()).map(|t| t as f64).collect(),
            y,
            colour,
            weight,
        });
    }
}
