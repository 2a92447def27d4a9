//! Figure 3: interval matching.

use apical::network::Activity;
use apical::rule::RuleSpec;
use apical::task::{IntervalMatchingSpec, TaskSpec};
use apical::{Experiment, Learner, Reduction, Scalar, Update};

use super::judged::{Bound, Judged};
use super::lab::{Lab, Look, Outcome, Seen};
use super::periodic::{GRID, SEARCH, add_learning};
use super::{Part, Section, decimal};
use crate::claims::Claim;
use crate::{Choice, Report};
use apical_runs::figure::{Colour, Curve, Panel, Weight};
use apical_runs::statistics::{paired, quantile};
use apical_runs::{Result, experiment};

/// Delays that are tested, from the shortest to the longest.
const TESTS: u64 = 11;
/// What may be left of the miss of a peak that always comes at the middle delay, to count as on the diagonal.
const NEAR: f64 = 0.25;

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
        for (k, delay) in delays(task).enumerate() {
            learner.network().reset(&mut activity);
            let mut output = Vec::new();
            for t in 1..=task.trial() {
                let x = &task.input(t, delay).map(T::of)[..task.inputs];
                learner.network().step::<false>(&mut activity, x);
                output.push(activity.output.row(0)[0].f64());
            }
            let set = task.first + delay;
            let after = &output[set as usize..];
            let order = |a: &usize, b: &usize| after[*a].total_cmp(&after[*b]);
            let peak = (0..after.len()).max_by(order).unwrap_or(0);
            seen.numbers[0].push(delay as f64);
            seen.numbers[1].push(peak as f64 + 1.0);
            seen.numbers[2].push(after[peak]);
            if k as u64 == TESTS / 2 {
                seen.output = output;
            }
        }
        Ok(seen)
    }
}

/// Delays that are tested.
fn delays(task: &IntervalMatchingSpec) -> impl Iterator<Item = u64> {
    (0..TESTS).map(|k| task.shortest + (task.longest - task.shortest) * k / (TESTS - 1))
}

/// Mean distance of the peaks from where they should be, in steps; of a diverged network a whole delay.
fn missed(task: &IntervalMatchingSpec, outcome: &Outcome) -> f64 {
    let [delays, peaks, _] = &outcome.seen.numbers[..] else {
        return self::delays(task).sum::<u64>() as f64 / TESTS as f64;
    };
    let distances = delays.iter().zip(peaks).map(|(d, p)| (d - p).abs());
    distances.sum::<f64>() / delays.len() as f64
}

/// The same as a share of what a peak misses that always comes at the middle delay: a network that knows nothing of the interval
/// but the range reaches 1.
fn missed_share(task: &IntervalMatchingSpec, outcome: &Outcome) -> f64 {
    let middle = 0.5 * (task.shortest + task.longest) as f64;
    let distances = delays(task).map(|delay| (delay as f64 - middle).abs());
    missed(task, outcome) / (distances.sum::<f64>() / TESTS as f64)
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

fn spec(e: &Experiment) -> IntervalMatchingSpec {
    match &e.task {
        TaskSpec::IntervalMatching(task) => task.clone(),
        _ => IntervalMatchingSpec::default(),
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

/// What the paper leaves unstated, one thing at a time and then together, each at the printed rate of RFLO and at three times that.
const TRIED: [(&str, Change); 18] = [
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
    ("h(0) = 0", |e| e.network.initial_state = 0.0),
    ("h(0) = 0.5", |e| e.network.initial_state = 0.5),
    ("ready and set on inputs of their own", |e| {
        task(e).inputs = 2
    }),
    ("delays of 50, 75, ... steps", |e| task(e).spacing = 25),
    ("20,000 trials", |e| e.steps *= 4),
    ("20,000 trials, update after every trial", |e| {
        e.steps *= 4;
        e.update = Update::Trial;
    }),
    ("those, first pulse at step 100", |e| {
        stretch(e, |t| t.first = 100);
        e.steps *= 4;
        e.update = Update::Trial;
    }),
    ("those, own inputs, 150 steps after the last pulse", |e| {
        stretch(e, |t| (t.first, t.tail) = (100, 150));
        e.steps *= 4;
        e.update = Update::Trial;
        task(e).inputs = 2;
    }),
    ("those, delays of 50, 75, ... steps", |e| {
        stretch(e, |t| (t.first, t.tail) = (100, 150));
        e.steps *= 4;
        e.update = Update::Trial;
        (task(e).inputs, task(e).spacing) = (2, 25);
    }),
];

/// One row of the search.
struct Trial {
    rule: &'static str,
    what: &'static str,
    change: Change,
    rate: f64,
    experiment: Experiment,
}

/// Everything tried up to 15 τ: the published grid of rates for both rules, then for RFLO one unstated thing after another.
fn tried(choice: Choice) -> Result<Vec<Trial>> {
    let mut all = Vec::new();
    let mut row = |name: &str, rule, (what, change): (&'static str, Change), rate: f64| {
        let mut experiment = load(name, choice)?;
        experiment.seed = SEARCH;
        experiment.seeds = if choice.quick { 1 } else { 3 };
        experiment.optimizer.rate = rate;
        change(&mut experiment);
        all.push(Trial {
            rule,
            what,
            change,
            rate,
            experiment,
        });
        Ok::<(), apical_runs::Error>(())
    };
    let grid: &[f64] = if choice.quick { &GRID[2..4] } else { &GRID };
    for rate in grid {
        row("interval-150-bptt", "BPTT", TRIED[0], *rate)?;
    }
    for rate in grid {
        row("interval-150", "RFLO", TRIED[0], *rate)?;
    }
    let count = if choice.quick { 2 } else { TRIED.len() };
    for tried in &TRIED[1..count] {
        for rate in [1e-3, 3e-3] {
            row("interval-150", "RFLO", *tried, rate)?;
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

/// Conditions at the settings the search finds.
const FOUND: [&str; 3] = ["interval-150", "interval-200", "interval-150-bptt"];
/// How many times more trials the settings found may have.
const LONGEST: u64 = 4;

/// All experiments with their seeds; those at the settings the search finds stand here with the longest ones tried.
pub fn planned(choice: Choice) -> Result<Vec<Experiment>> {
    let mut all: Vec<Experiment> = tried(choice)?.into_iter().map(|t| t.experiment).collect();
    for (name, ..) in MAIN {
        all.push(load(name, choice)?);
    }
    all.push(readout(choice)?);
    for name in FOUND {
        let mut e = load(name, choice)?;
        e.steps *= LONGEST;
        all.push(e);
    }
    Ok(all)
}

/// The control: the recurrent layer stays as it is.
fn readout(choice: Choice) -> Result<Experiment> {
    let mut e = load("interval-150", choice)?;
    e.rule = RuleSpec::by_name("readout_only")?;
    Ok(e)
}

/// Runs and judges figure 3.
pub fn run(choice: Choice, lab: &mut Lab<'_>) -> Result<Vec<Section>> {
    let tried = tried(choice)?;
    let all: Vec<Experiment> = tried.iter().map(|t| t.experiment.clone()).collect();
    lab.run(&all, &Peaks)?;
    let share = |e: &Experiment| median(lab, e, |o| missed_share(&spec(e), o));
    let best = tried
        .iter()
        .filter(|t| t.rule == "RFLO")
        .min_by(|a, b| share(&a.experiment).total_cmp(&share(&b.experiment)));
    let report = report(lab, &tried, best);
    let mut main = Vec::new();
    for (name, ..) in MAIN {
        main.push(load(name, choice)?);
    }
    main.push(readout(choice)?);
    let mut found = Vec::new();
    if let Some(best) = best {
        for name in FOUND {
            let mut e = load(name, choice)?;
            let planned = LONGEST * e.steps * e.seeds;
            // BPTT keeps its own rate under the settings of RFLO.
            if name != FOUND[2] {
                e.optimizer.rate = best.rate;
            }
            (best.change)(&mut e);
            lab.runner()
                .progress
                .advance(planned.saturating_sub(e.steps * e.seeds));
            found.push(e);
        }
    }
    lab.run(&main, &Peaks)?;
    lab.run(&found, &Peaks)?;
    let with = best.map_or(String::new(), |b| {
        format!("{}, rate {}", b.what, decimal(b.rate))
    });
    let claims = claims(lab, &main, &found, &with)?;
    let panels = panels(lab, &main, &found);
    Ok(vec![Section {
        reports: vec![report],
        ..Section::new(Part::Intervals, panels, claims)
    }])
}

/// Everything tried, with the one taken in bold.
fn report(lab: &Lab<'_>, tried: &[Trial], best: Option<&Trial>) -> Report {
    let mut rows = Vec::new();
    for row in tried {
        let e = &row.experiment;
        let is_best = best.is_some_and(|best| std::ptr::eq(best, row));
        let text = format!("{:.2}", median(lab, e, |o| missed_share(&spec(e), o)));
        rows.push(vec![
            row.rule.into(),
            row.what.into(),
            decimal(row.rate),
            decimal(median(lab, e, Outcome::late)),
            format!("{:.0}", median(lab, e, |o| missed(&spec(e), o))),
            if is_best { format!("**{text}**") } else { text },
            format!("{:.2}", median(lab, e, slope)),
            format!("{:.2}", median(lab, e, height)),
        ]);
    }
    let header = [
        "rule",
        "setting",
        "rate",
        "loss",
        "miss of the peak, steps",
        "of a fixed peak's miss",
        "slope",
        "height",
    ];
    let seeds = tried.first().map_or(0, |row| row.experiment.seeds);
    Report {
        name: "intervals-tried".into(),
        title: format!(
            "Figure 3 up to 15 tau with what the paper leaves unstated, one thing at a time and some together: medians over {seeds} networks (seeds from \
             {SEARCH}); in bold the one taken for RFLO"
        ),
        on_screen: true,
        header: header.map(String::from).into(),
        rows,
    }
}

fn panels(lab: &Lab<'_>, main: &[Experiment], found: &[Experiment]) -> Vec<Panel> {
    let mut panels = vec![example(lab, &main[2], "a trial after training")];
    for (e, (_, label, colour)) in main.iter().zip(MAIN) {
        let title = format!("{label}, printed rate {}", decimal(e.optimizer.rate));
        panels.push(diagonal(lab, e, &title, colour));
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
        title: "learning curves, printed rates".into(),
        x_label: "updates".into(),
        y_label: "loss".into(),
        log_y: true,
        ..Panel::default()
    };
    for (e, (_, label, colour)) in main.iter().zip(MAIN) {
        add_learning(&mut learning, lab.of(e), label.into(), colour);
    }
    add_learning(
        &mut learning,
        lab.of(&main[4]),
        "readout alone".into(),
        Colour::Grey,
    );
    panels.push(learning);
    panels
}

fn median(lab: &Lab<'_>, e: &Experiment, number: impl Fn(&Outcome) -> f64) -> f64 {
    quantile(&lab.each(e, number), 0.5)
}

fn claims(
    lab: &Lab<'_>,
    main: &[Experiment],
    found: &[Experiment],
    with: &str,
) -> Result<Vec<Claim>> {
    let near =
        "paper; \"on the diagonal\" read as a quarter of what a peak at the middle delay misses";
    let shares = |e: &Experiment| lab.each(e, |o| missed_share(&spec(e), o));
    let what = "miss of the peak, as a share of what a fixed peak misses";
    let on_diagonal = |e: &Experiment, statement: String| {
        let measured = format!(
            "median {:.2}, which is {:.0} steps; slope {:.2}, height {:.2}",
            quantile(&shares(e), 0.5),
            median(lab, e, |o| missed(&spec(e), o)),
            median(lab, e, slope),
            median(lab, e, height)
        );
        Judged {
            statement,
            measured,
            ..Judged::of(&shares(e), what, Bound::Below(NEAR))
        }
    };
    let middle = |e: &Experiment| quantile(&shares(e), 0.5);
    let apart = |pair: [&Experiment; 2], statement: String, bound| Judged {
        statement,
        measured: format!("medians {:.2} and {:.2}", middle(pair[0]), middle(pair[1])),
        ..Judged::of(
            &paired(&shares(pair[0]), &shares(pair[1])),
            "difference of these shares",
            bound,
        )
    };
    let mut claims = Vec::new();
    let found_text = format!("settings of our search: {with}");
    for (id, conditions, text) in [
        (
            "printed",
            [&main[0], &main[1], &main[2]],
            "printed rates, our defaults",
        ),
        (
            "found",
            [&found[0], &found[1], &found[2]],
            found_text.as_str(),
        ),
    ] {
        let [short, long, exact] = conditions;
        claims.push(lab.judge(|| {
            let statement = format!("RFLO matches intervals up to 15 tau ({text})");
            Ok(on_diagonal(short, statement).claim("3", &format!("rflo-150.{id}"), near))
        })?);
        claims.push(lab.judge(|| {
            let statement =
                format!("RFLO matches intervals worse up to 20 tau than up to 15 tau ({text})");
            let judged = apart([long, short], statement, Bound::Above(0.0));
            Ok(judged.claim("3", &format!("rflo-200.{id}"), "paper"))
        })?);
        claims.push(lab.judge(|| {
            let statement = format!("up to 15 tau RFLO is as good as BPTT ({text})");
            let source = "paper; \"similarly\" read as within a tenth of what a fixed peak misses";
            let judged = apart([short, exact], statement, Bound::Below(0.1));
            Ok(judged.claim("3", &format!("similar.{id}"), source))
        })?);
    }
    for (id, e, longest) in [("bptt-150", &main[2], 15), ("bptt-250", &main[3], 25)] {
        claims.push(lab.judge(|| {
            let statement = format!("BPTT matches intervals up to {longest} tau (printed rate)");
            Ok(on_diagonal(e, statement).claim("3", id, near))
        })?);
    }
    claims.push(lab.judge(|| {
        let statement = "RFLO up to 15 tau beats a readout that learns alone (printed rate)";
        let judged = apart([&main[0], &main[4]], statement.into(), Bound::Below(0.0));
        Ok(judged.claim("3", "control", "our control"))
    })?);
    Ok(claims)
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
            of(&|t| task.input(t, delay).iter().sum()),
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
