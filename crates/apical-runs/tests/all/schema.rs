//! Ranges in the schema are those that settings are held to.

use apical::Experiment;
use apical::schema::{Place, Shape, of};
use apical_runs::Error;
use apical_runs::experiment::parse;

const BASE: &str = r#"
    steps = 4000
    loss = { kind = "mean_squared_error" }
    rule = { kind = "readout_only" }
    task = { kind = "sensorimotor_mapping" }
    network = { units = 8 }
    evaluate = { steps = 0 }
"#;

/// A setting that is a number, or a list of them, and the changes that lead to it.
struct Number<'a> {
    key: String,
    place: Place<'a>,
    whole: bool,
    length: Option<u64>,
    changes: Vec<String>,
}

fn numbers<'a>(place: Place<'a>, key: &str, changes: &[String], all: &mut Vec<Number<'a>>) {
    let below = |name: &str| match key {
        "" => name.to_string(),
        _ => format!("{key}.{name}"),
    };
    let number = |place, whole, length| Number {
        key: key.into(),
        place,
        whole,
        length,
        changes: changes.to_vec(),
    };
    match place.shape() {
        Shape::Number => all.push(number(place, false, None)),
        Shape::Whole { .. } => all.push(number(place, true, None)),
        Shape::List { items, length } => {
            let length = Some(length.unwrap_or(1));
            match items.shape() {
                Shape::Number => all.push(number(items, false, length)),
                Shape::Whole { .. } => all.push(number(items, true, length)),
                _ => {}
            }
        }
        Shape::Table => {
            for (name, place) in place.settings() {
                numbers(place, &below(name), changes, all);
            }
        }
        // Tasks inside of tasks are those of before.
        Shape::Kinds(kinds) if key != "task.task" => {
            // Recurrent weights alone have types.
            let fits = |kind| kind != "typed" || key == "network.recurrent";
            for (names, table) in kinds.into_iter().filter(|(names, _)| fits(names[0])) {
                let mut changes = changes.to_vec();
                changes.push(format!("{key}.kind={}", names[0]));
                changes.extend(beside(key, names[0]));
                for (name, place) in table.settings().filter(|(name, _)| *name != "kind") {
                    numbers(place, &below(name), &changes, all);
                }
            }
        }
        _ => {}
    }
}

/// What a kind needs beside itself.
fn beside(key: &str, kind: &str) -> Vec<String> {
    let changes: &[&str] = match (key, kind) {
        ("task", "embedded") => &["task.task={kind=add}"],
        ("task", "multi_task") => &["task.tasks=[{kind=add}]"],
        ("rule", "bptt") => &["update={every=10}"],
        ("network.types", "by_sign") | ("network.recurrent", "typed") => &["network.dale={}"],
        ("network.output_feedback", _) => &["rule.kind=rflo"],
        ("feedback", "kolen_pollack") => &["optimizer.weight_decay=0.1"],
        _ => &[],
    };
    changes.iter().map(|change| change.to_string()).collect()
}

/// What a setting needs to mean anything.
fn context(key: &str, changes: &[String]) -> Vec<String> {
    let is = |change: &str| changes.iter().any(|known| known == change);
    let changes: &[&str] = match key {
        "rule.horizon" if is("rule.kind=dendritic") => {
            &["rule.lambda=0.5", "rule.jacobian={kind=exact}"]
        }
        "rule.credit.horizon" => &[
            "rule.credit.lambda=0.5",
            "rule.credit.jacobian={kind=exact}",
        ],
        "optimizer.schedule.floor" if is("optimizer.schedule.kind=cosine") => {
            &["optimizer.schedule.updates=1"]
        }
        "optimizer.schedule.floor" => &["optimizer.schedule.decay=0.5"],
        "optimizer.schedule.every" => &["optimizer.schedule.factor=0.5"],
        "optimizer.schedule.factor" => &["optimizer.schedule.every=1"],
        "task.max_args" | "task.max_digits" => &["task.output=analog"],
        "task.longest" => &["task.shortest=1"],
        "task.first" | "task.tail" => &["task.width=0.1"],
        "optimizer.momentum" => &["optimizer.kind=momentum"],
        "optimizer.betas" | "optimizer.epsilon" => &["optimizer.kind=adam"],
        _ if key.starts_with("network.sparsity.rewiring") => &["network.dale={}"],
        _ if key.starts_with("circuit") => &["task.kind=reach"],
        _ => &[],
    };
    changes.iter().map(|change| change.to_string()).collect()
}

impl Number<'_> {
    /// The field that is refused, if one is.
    fn refused(&self, value: f64) -> Option<String> {
        let mut changes = self.changes.clone();
        changes.extend(context(&self.key, &changes));
        let one = if self.whole {
            format!("{value}")
        } else {
            format!("{value:?}")
        };
        let value = match self.length {
            Some(length) => format!("[{}]", vec![one; length as usize].join(",")),
            None => one,
        };
        changes.push(format!("{}={value}", self.key));
        match parse(BASE, &changes).err()? {
            Error::Config { field, .. } | Error::Apical(apical::Error::Invalid { field, .. }) => {
                Some(field)
            }
            other => panic!("{}: {other}", self.key),
        }
    }

    /// Whether `field` is this setting: the halves of a combined rule are named as the rules they come from.
    fn is(&self, field: &str) -> bool {
        let name = |path: &str| {
            path.split('[')
                .next()
                .map(|path| path.rsplit('.').next().map(String::from))
        };
        name(field) == name(&self.key) && field.split('.').next() == self.key.split('.').next()
    }
}

#[test]
fn a_number_is_taken_at_its_bounds_and_refused_beyond() {
    /// Runs and arrays beyond this are refused for other reasons, or take long to look at.
    const LARGE: f64 = 1e5;
    /// Least values that fit other settings than those of this test: of more units, or of fewer states.
    const DEPEND: [&str; 2] = ["network.dale.excitatory", "task.inputs"];
    let mut all = Vec::new();
    numbers(Place::root(of::<Experiment>()), "", &[], &mut all);
    // Their settings are looked at with their data.
    all.retain(|number| {
        let data = ["task.kind=data", "task.kind=sequential_mnist"];
        !number
            .changes
            .iter()
            .any(|change| data.contains(&change.as_str()))
    });
    let (mut bounded, mut faults) = (0, Vec::new());
    for number in &all {
        let step = if number.whole { 1.0 } else { 1e-3 };
        for (keyword, sign, exclusive) in [
            ("minimum", -1.0, false),
            ("exclusiveMinimum", -1.0, true),
            ("maximum", 1.0, false),
            ("exclusiveMaximum", 1.0, true),
        ] {
            let Some(bound) = number.place.bound(keyword) else {
                continue;
            };
            bounded += 1;
            let (inside, beyond) = match exclusive {
                true => (bound - sign * step, bound),
                false => (bound, bound + sign * step),
            };
            let at = format!("{} of {:?}, {keyword} {bound}", number.key, number.changes);
            match number.refused(beyond) {
                None => faults.push(format!("{at}: {beyond} is taken")),
                Some(field) if !number.is(&field) => {
                    faults.push(format!("{at}: {beyond} is refused as {field}"))
                }
                Some(_) => {}
            }
            if inside.abs() < LARGE
                && number.length.is_none()
                && !DEPEND.contains(&number.key.as_str())
                && number
                    .refused(inside)
                    .is_some_and(|field| number.is(&field))
            {
                faults.push(format!("{at}: {inside} is refused"));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(bounded > 150, "{bounded}");
}
