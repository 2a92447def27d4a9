//! Figure 3: interval matching.

use apical::task::{IntervalMatchingSpec, TaskSpec};
use apical::{Experiment, Learner, Reduction, Scalar, Update};

use super::lab::{Lab, Look, Outcome, Seen};
use super::periodic::{Bound, Judged, SEARCH, add_learning};
use super::{Part, Section, decimal};
use crate::claims::Claim;
use crate::figure::{Colour, Curve, Panel, Weight};
use crate::reproduce::{Choice, Report};
use crate::statistics::{paired, quantile};
use crate::{Result, experiment};
use apical::network::Activity;

/// Delays that are tested, from the shortest to the longest.
const TESTS: u64 = 11;
/// How far a peak may be off on average to count as on the diagonal: the deviation of a pulse.
const NEAR: f64 = 15.0;

/// Shows the network one delay after another and looks where its output peaks.
///
/// `numbers` are the delays, the steps from the second pulse to the peak, and the heights of the peaks; `output` is the trial with the delay in
/// the middle.
struct Peaks;

impl Look for Peaks {
    fn look<T: Scalar>(
        &self,
        experiment: &Experiment,
        learner: &mut Learner<T>,
        _: u64,
    ) -> Result<Seen> {
        let TaskSpec::IntervalMatching(task) = &experiment.task else {
            return Ok(Seen::default());
        };
        let mut seen = Seen {
            numbers: vec![Vec::new(); 3],
            ..Seen::default()
        };
        let mut activity = Activity::new(learner.network().dims());
        for k in 0..TESTS {
            let delay = task.shortest + (task.longest - task.shortest) * k / (TESTS - 1);
            learner.network().reset(&mut activity);
            let mut output = Vec::new();
            for t in 1..=task.trial() {
                let x = [T::of(task.input(t, delay))];
                learner.network().step::<false>(&mut activity, &x);
                output.push(activity.output.row(0)[0].f64());
            }
            let set = task.first + delay;
            let after = &output[set as usize..];
            let order = |a: &usize, b: &usize| after[*a].total_cmp(&after[*b]);
            let peak = (0..after.len()).max_by(order).unwrap_or(0);
            seen.numbers[0].push(delay as f64);
            seen.numbers[1].push(peak as f64 + 1.0);
            seen.numbers[2].push(after[peak]);
            if k == TESTS / 2 {
                seen.output = output;
            }
        }
        Ok(seen)
    }
}

/// Mean distance of the peaks from where they should be; of a diverged network that of silence, a whole delay.
fn missed(outcome: &Outcome) -> f64 {
    let [delays, peaks, _] = &outcome.seen.numbers[..] else {
        return 100.0;
    };
    let distances = delays.iter().zip(peaks).map(|(d, p)| (d - p).abs());
    distances.sum::<f64>() / delays.len() as f64
}

/// Slope of the line through the peaks, over delays.
fn slope(outcome: &Outcome) -> f64 {
    let [delays, peaks, _] = &outcome.seen.numbers[..] else {
        return 0.0;
    };
    let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len() as f64;
    let (x, y) = (mean(delays), mean(peaks));
    let (mut up, mut down) = (0.0, 0.0);
    for (d, p) in delays.iter().zip(peaks) {
        up += (d - x) * (p - y);
        down += (d - x) * (d - x);
    }
    up / down
}

fn height(outcome: &Outcome) -> f64 {
    match &outcome.seen.numbers[..] {
        [.., heights] => quantile(heights, 0.5),
        _ => f64::NAN,
    }
}

fn task(e: &mut Experiment) -> &mut IntervalMatchingSpec {
    match &mut e.task {
        TaskSpec::IntervalMatching(task) => task,
        other => unreachable!("{} is no interval matching", other.info().name),
    }
}

/// After a change to the length of trials: as many of them as before, and records at the same trials.
fn stretch(e: &mut Experiment, change: impl Fn(&mut IntervalMatchingSpec)) {
    let before = task(e).trial();
    change(task(e));
    let after = task(e).trial();
    e.steps = e.steps / before * after;
    e.evaluate.steps = 0;
    for monitor in &mut e.monitor {
        monitor.every = monitor.every / before * after;
    }
}

fn load(name: &str, choice: Choice) -> Result<Experiment> {
    let mut e = experiment::load(&format!("murray2019/{name}"), &[])?;
    e.evaluate.steps = 0;
    if choice.quick {
        e.steps /= 50;
        e.seeds = 2;
    }
    Ok(e)
}

type Change = fn(&mut Experiment);

/// What the paper leaves unstated, one thing at a time, each at the printed rate and at three times that.
const TRIED: [(&str, Change); 11] = [
    ("as in the defaults", |_| {}),
    ("first pulse at step 100", |e| stretch(e, |t| t.first = 100)),
    ("delays from 30 steps", |e| stretch(e, |t| t.shortest = 30)),
    ("delays from 100 steps", |e| {
        stretch(e, |t| t.shortest = 100)
    }),
    ("150 steps after the last pulse", |e| {
        stretch(e, |t| t.tail = 150)
    }),
    ("pulses of height 3", |e| task(e).amplitude = 3.0),
    ("update after every trial", |e| e.update = Update::Trial),
    ("update at every step, rate/T", |e| {
        e.update = Update::Step;
        e.optimizer.rate /= task(e).trial() as f64;
    }),
    ("mean over the ten trials", |e| {
        e.reduction = Reduction::Mean
    }),
    ("20,000 trials", |e| e.steps *= 4),
    ("20,000 trials, update after every trial", |e| {
        e.steps *= 4;
        e.update = Update::Trial;
    }),
];

/// Everything tried for RFLO up to 15 τ.
fn tried(choice: Choice) -> Result<Vec<(String, Change, f64, Experiment)>> {
    let mut all = Vec::new();
    let count = if choice.quick { 2 } else { TRIED.len() };
    for (what, change) in &TRIED[..count] {
        for factor in [1.0, 3.0] {
            let mut e = load("interval-150", choice)?;
            e.seed = SEARCH;
            e.seeds = if choice.quick { 1 } else { 3 };
            e.optimizer.rate *= factor;
            let rate = e.optimizer.rate;
            change(&mut e);
            all.push(((*what).to_string(), *change, rate, e));
        }
    }
    Ok(all)
}

const MAIN: [(&str, &str, Colour); 4] = [
    ("interval-150", "RFLO, up to 15 tau", Colour::Vermilion),
    ("interval-200", "RFLO, up to 20 tau", Colour::Blue),
    ("interval-150-bptt", "BPTT, up to 15 tau", Colour::Green),
    ("interval-250-bptt", "BPTT, up to 25 tau", Colour::Purple),
];

/// All experiments with their seeds; those at the settings the search finds stand here with the longest ones tried.
pub fn planned(choice: Choice) -> Result<Vec<Experiment>> {
    let mut all: Vec<Experiment> = tried(choice)?.into_iter().map(|(.., e)| e).collect();
    for (name, ..) in MAIN {
        all.push(load(name, choice)?);
    }
    for name in ["interval-150", "interval-200"] {
        all.push(load(name, choice)?);
    }
    Ok(all)
}

/// Runs and judges figure 3.
pub fn run(choice: Choice, lab: &mut Lab<'_>) -> Result<Vec<Section>> {
    let tried = tried(choice)?;
    let all: Vec<Experiment> = tried.iter().map(|(.., e)| e.clone()).collect();
    lab.run(&all, &Peaks)?;
    let median = |e: &Experiment, number: fn(&Outcome) -> f64| quantile(&lab.each(e, number), 0.5);
    let best = tried
        .iter()
        .min_by(|a, b| median(&a.3, missed).total_cmp(&median(&b.3, missed)));
    let mut rows = Vec::new();
    for row @ (what, _, rate, e) in &tried {
        let is_best = best.is_some_and(|best| std::ptr::eq(best, row));
        let mark = |text: String| if is_best { format!("**{text}**") } else { text };
        rows.push(vec![
            what.clone(),
            decimal(*rate),
            decimal(median(e, Outcome::late)),
            mark(format!("{:.0}", median(e, missed))),
            format!("{:.2}", median(e, slope)),
            format!("{:.2}", median(e, height)),
        ]);
    }
    let header = [
        "setting",
        "rate",
        "loss",
        "mean distance of the peak, steps",
        "slope",
        "height",
    ];
    let seeds = all.first().map_or(0, |e| e.seeds);
    let report = Report {
        name: "intervals-tried",
        title: format!(
            "RFLO up to 15 tau with what the paper leaves unstated, one thing at a time: medians over {seeds} networks (seeds from \
             {SEARCH}); in bold the one taken"
        ),
        on_screen: true,
        header: header.map(String::from).into(),
        rows,
    };

    let mut main = Vec::new();
    for (name, ..) in MAIN {
        main.push(load(name, choice)?);
    }
    let mut found = Vec::new();
    if let Some((_, change, rate, _)) = best {
        for name in ["interval-150", "interval-200"] {
            let mut e = load(name, choice)?;
            e.optimizer.rate = *rate;
            change(&mut e);
            found.push(e);
        }
    }
    lab.run(&main, &Peaks)?;
    lab.run(&found, &Peaks)?;
    let claims = claims(lab, &main, &found);
    let mut panels = vec![example(lab, &main[2], "a trial after training")];
    for ((e, (_, label, colour)), where_) in main.iter().zip(MAIN).zip(["printed"; 4]) {
        panels.push(diagonal(
            lab,
            e,
            &format!("{label}, {where_} rate {}", decimal(e.optimizer.rate)),
            colour,
        ));
    }
    for (e, (_, label, colour)) in found.iter().zip(MAIN) {
        panels.push(diagonal(
            lab,
            e,
            &format!("{label}, settings found"),
            colour,
        ));
    }
    let mut learning = Panel {
        title: "learning curves".into(),
        x_label: "updates".into(),
        y_label: "loss".into(),
        log_y: true,
        ..Panel::default()
    };
    for (e, (_, label, colour)) in main.iter().zip(MAIN) {
        add_learning(&mut learning, lab.of(e), label.into(), colour);
    }
    panels.push(learning);
    Ok(vec![Section {
        reports: vec![report],
        ..Section::new(Part::Intervals, panels, claims)
    }])
}

fn claims(lab: &Lab<'_>, main: &[Experiment], found: &[Experiment]) -> Vec<Claim> {
    let near = "paper; \"on the diagonal\" read as off by less than the deviation of a pulse";
    let misses = |e: &Experiment| lab.each(e, missed);
    let on_diagonal = |e: &Experiment, statement: String| {
        let judged = Judged::of(
            &misses(e),
            "mean distance of the peak in steps",
            Bound::Below(NEAR),
        );
        let measured = format!(
            "median {:.0}; slope {:.2}, height {:.2}",
            quantile(&misses(e), 0.5),
            quantile(&lab.each(e, slope), 0.5),
            quantile(&lab.each(e, height), 0.5)
        );
        Judged {
            statement,
            measured,
            ..judged
        }
    };
    let mut claims = Vec::new();
    let mut both = Vec::new();
    for (id, pair, with) in [
        ("printed", &main[..2], "printed rate, our defaults"),
        ("found", found, "settings of our search"),
    ] {
        let [short, long] = pair else { continue };
        both.push(short);
        let statement = format!("RFLO matches intervals up to 15 tau ({with})");
        claims.push(on_diagonal(short, statement).claim("3", &format!("rflo-150.{id}"), near));
        let differences = paired(&misses(long), &misses(short));
        let judged = Judged {
            statement: format!(
                "RFLO matches intervals worse up to 20 tau than up to 15 tau ({with})"
            ),
            ..Judged::of(
                &differences,
                "difference of mean distances in steps",
                Bound::Above(0.0),
            )
        };
        claims.push(judged.claim("3", &format!("rflo-200.{id}"), "paper"));
    }
    for (id, e, longest) in [("bptt-150", &main[2], 15), ("bptt-250", &main[3], 25)] {
        let statement = format!("BPTT matches intervals up to {longest} tau (printed rate)");
        claims.push(on_diagonal(e, statement).claim("3", id, near));
    }
    for (short, id) in both.into_iter().zip(["printed", "found"]) {
        let differences = paired(&misses(short), &misses(&main[2]));
        let judged = Judged {
            statement: format!("up to 15 tau RFLO is as good as BPTT ({id} settings)"),
            ..Judged::of(
                &differences,
                "difference of mean distances in steps",
                Bound::Below(NEAR),
            )
        };
        claims.push(judged.claim(
            "3",
            &format!("similar.{id}"),
            "paper; \"similarly\" read as within the deviation of a pulse",
        ));
    }
    claims
}

/// Peaks of every network against delays.
fn diagonal(lab: &Lab<'_>, e: &Experiment, title: &str, colour: Colour) -> Panel {
    let mut panel = Panel {
        title: title.into(),
        x_label: "delay of the second pulse, steps".into(),
        y_label: "delay of the output's peak, steps".into(),
        ..Panel::default()
    };
    for outcome in lab.of(e) {
        if let [delays, peaks, _] = &outcome.seen.numbers[..] {
            panel.curves.push(Curve {
                label: Some("one network".into()),
                x: delays.clone(),
                y: peaks.clone(),
                colour,
                weight: Weight::Light,
            });
            if panel.curves.len() == 1 {
                panel.curves.push(Curve {
                    label: Some("as it should be".into()),
                    x: delays.clone(),
                    y: delays.clone(),
                    colour: Colour::Black,
                    weight: Weight::Dashed,
                });
            }
        }
    }
    panel
}

/// Input, target and output of the first network.
fn example(lab: &Lab<'_>, e: &Experiment, title: &str) -> Panel {
    let TaskSpec::IntervalMatching(task) = &e.task else {
        return Panel::default();
    };
    let delay = task.shortest + (task.longest - task.shortest) * (TESTS / 2) / (TESTS - 1);
    let x: Vec<f64> = (1..=task.trial()).map(|t| t as f64).collect();
    let of = |value: &dyn Fn(u64) -> f64| (1..=task.trial()).map(value).collect::<Vec<f64>>();
    let curve = |label: &str, y: Vec<f64>, colour, weight| Curve {
        label: Some(label.into()),
        x: x.clone(),
        y,
        colour,
        weight,
    };
    let mut curves = vec![
        curve(
            "input",
            of(&|t| task.input(t, delay)),
            Colour::Grey,
            Weight::Dark,
        ),
        curve(
            "target",
            of(&|t| task.target(t, delay)),
            Colour::Black,
            Weight::Dashed,
        ),
    ];
    if let Some(outcome) = lab.of(e).first() {
        curves.push(curve(
            "BPTT",
            outcome.seen.output.clone(),
            Colour::Green,
            Weight::Dark,
        ));
    }
    Panel {
        title: format!("{title}, delay {delay}"),
        x_label: "step".into(),
        y_label: "input, output".into(),
        curves,
        ..Panel::default()
    }
}
