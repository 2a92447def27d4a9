//! Delayed XOR over a grid: over the number of types of weights that have structure, and over the length of the filter.
//!
//! Both play the trial at steps of 9 ms. A grid is a list of values of one setting; its rules are the conditions with that setting, whose
//! keys carry it: `modprop_typed_paper types=8`, `modprop_cell_paper taps=11`.

use super::judge::{Study, add_means, compared, label};
use super::{Task, condition};
use crate::claims::{Claim, Verdict, counted};
use crate::figure::{Colour, Figure, Panel};
use crate::statistics::{Spread, paired};

/// Types of each sign; there are two signs.
const EACH: [usize; 4] = [1, 2, 4, 8];
/// μ of the later code of the first author, whose 8 + 8 types these are.
const MU: f64 = 0.2;
/// Rules that are compared at each number of types.
const TYPED: [&str; 5] = [
    "modprop_cell_paper",
    "modprop_typed_paper",
    "mdgl_typed",
    "three_factor",
    "readout_only",
];
/// Steps of 9 ms that a filter reaches back; without end where there is none.
const TAPS: [Option<u64>; 4] = [Some(3), Some(11), Some(33), None];
const FILTERED: [&str; 2] = ["modprop_cell_paper", "modprop_typed_paper"];
/// Differences of the loss averaged over training, of which chance has 0.693, that count as none.
const ALIKE: f64 = 0.05;

/// Keys and changes of the rules of a grid.
pub(super) fn rules(task: Task) -> Vec<(String, Vec<String>)> {
    let rule = |key: &str, more: &str| {
        let rule = condition(key).map_or("", |condition| condition.rule);
        // Only ModProp has a filter.
        match rule.strip_suffix('}') {
            Some(open) if key.starts_with("modprop") => format!("rule={open}{more}}}"),
            _ => format!("rule={rule}"),
        }
    };
    let mut rules = Vec::new();
    match task {
        Task::Types => {
            for each in EACH {
                for key in TYPED {
                    let changes = vec![
                        rule(key, &format!(", mu={MU:?}")),
                        format!("network.types.each={each}"),
                    ];
                    rules.push((format!("{key} types={}", 2 * each), changes));
                }
            }
        }
        Task::Taps => {
            for key in FILTERED {
                for taps in TAPS {
                    let more = taps.map_or_else(String::new, |taps| format!(", taps={taps}"));
                    rules.push((named(key, taps), vec![rule(key, &more)]));
                }
            }
        }
        _ => {}
    }
    rules
}

fn named(key: &str, taps: Option<u64>) -> String {
    match taps {
        Some(taps) => format!("{key} taps={taps}"),
        None => key.into(),
    }
}

/// What the grid says.
pub(super) fn claims(study: &Study<'_>, task: Task) -> Vec<Claim> {
    let mut claims = Vec::new();
    match task {
        Task::Types => {
            let source = "title of the paper: modulators of types suffice; types with structure as in later code of its first author";
            for each in EACH {
                let of = |key: &str| format!("{key} types={}", 2 * each);
                let typed = of("modprop_typed_paper");
                claims.push(alike(study, &typed, &of("modprop_cell_paper"), source));
                claims.push(study.order(&typed, &of("mdgl_typed"), source));
                claims.push(study.order(&typed, &of("three_factor"), source));
            }
        }
        Task::Taps => {
            let source = "paper, as far as it could be read: filters of a fixed number of taps";
            for key in FILTERED {
                for taps in TAPS.into_iter().flatten() {
                    let cut = named(key, Some(taps));
                    claims.push(alike(study, &cut, key, source));
                }
            }
        }
        _ => {}
    }
    claims
}

/// That two rules learn alike, seed by seed.
fn alike(study: &Study<'_>, first: &str, second: &str, source: &str) -> Claim {
    let areas = |rule: &str| study.areas(study.best(rule));
    let differences = paired(&areas(first), &areas(second));
    let spread = Spread::of(&differences);
    Claim {
        id: format!("{}.{first}_like_{second}", study.name()),
        statement: format!(
            "{}: {} learns like {}",
            study.title(),
            label(first),
            label(second)
        ),
        expected: format!(
            "loss averaged over training, first - second: the 95 % interval within {ALIKE} (same seeds; chance 0.693)"
        ),
        measured: counted(&spread, &differences, |d| d.abs() < ALIKE),
        verdict: Verdict::near(spread.interval(), ALIKE),
        ..compared(source, &differences)
    }
}

/// The loss over training along the grid, a curve a rule.
pub(super) fn figure(study: &Study<'_>, task: Task) -> Figure {
    let (title, x_label, mark) = match task {
        Task::Types => ("Types with structure", "types", " types="),
        _ => (
            "Filters of fixed length",
            "steps back (of 9 ms; a trial has 100)",
            " taps=",
        ),
    };
    let keys: &[&str] = match task {
        Task::Types => &TYPED,
        _ => &FILTERED,
    };
    let mut panel = Panel {
        x_label: x_label.into(),
        y_label: "loss over training: mean ± s.e.".into(),
        log_x: true,
        ..Panel::default()
    };
    for key in keys {
        let mut points: Vec<(f64, Spread)> = Vec::new();
        for (rule, _) in rules(task) {
            let (own, rest) = rule.split_once(mark).unwrap_or((&rule, "100"));
            if own == *key {
                let x = rest.parse().unwrap_or(f64::NAN);
                points.push((x, Spread::of(&study.areas(study.best(&rule)))));
            }
        }
        let colour = condition(key).map_or(Colour::Grey, |condition| condition.colour);
        let (x, all): (Vec<f64>, Vec<Spread>) = points.into_iter().unzip();
        add_means(&mut panel, label(key), x, &all, colour);
    }
    Figure {
        // One panel is narrow.
        title: format!("{title} ({} seeds)", study.seeds()),
        columns: 1,
        panels: vec![panel],
    }
}

#[cfg(test)]
mod tests {
    use super::super::judge::tests::{claim, judged};
    use super::*;

    #[test]
    fn likeness_and_order_are_judged_at_each_number_of_types() {
        let losses = |rule: &str, _: f64, seed: u64| {
            let level = match rule {
                "modprop_cell_paper types=16" => 0.30,
                // Near enough at 16 types, not at 2.
                "modprop_typed_paper types=16" => 0.32,
                "modprop_cell_paper types=2" => 0.20,
                "modprop_typed_paper types=2" => 0.40,
                _ => 0.50,
            };
            vec![level + 0.001 * (seed % 3) as f64; 6]
        };
        judged(Task::Types, losses, |study| {
            let like = |types: u64| {
                let rules = ["typed", "cell"].map(|w| format!("modprop_{w}_paper types={types}"));
                claim(study, &format!("types.{}_like_{}", rules[0], rules[1]))
            };
            assert_eq!(like(16).verdict, Verdict::Reproduced, "{:?}", like(16));
            assert_eq!(like(2).verdict, Verdict::NotReproduced);
            assert_eq!(like(2).n, 16);
            let before = "types.modprop_typed_paper types=16_before_three_factor types=16";
            assert_eq!(claim(study, before).verdict, Verdict::Reproduced);
            let before = "types.modprop_typed_paper types=8_before_mdgl_typed types=8";
            assert!(!claim(study, before).verdict.is_decided());
            let figure = figure(study, Task::Types);
            let typed = &figure.panels[0].curves[1];
            assert_eq!(typed.x, [2.0, 4.0, 8.0, 16.0]);
            assert!(typed.y[0] > typed.y[3], "{typed:?}");
        });
    }

    #[test]
    fn filters_of_fixed_length_are_judged_against_those_without_end() {
        let losses = |rule: &str, _: f64, seed: u64| {
            let level = match rule {
                "modprop_cell_paper taps=3" => 0.5,
                _ => 0.2 + 0.002 * (seed % 2) as f64 * rule.len() as f64,
            };
            vec![level; 6]
        };
        judged(Task::Taps, losses, |study| {
            let like = |taps: u64| {
                let key = "modprop_cell_paper";
                claim(study, &format!("taps.{key} taps={taps}_like_{key}")).verdict
            };
            assert_eq!(
                (like(3), like(11)),
                (Verdict::NotReproduced, Verdict::Reproduced)
            );
            let figure = figure(study, Task::Taps);
            assert_eq!(figure.panels[0].curves[0].x, [3.0, 11.0, 33.0, 100.0]);
        });
    }

    #[test]
    fn the_experiments_of_a_grid_have_its_settings() {
        for (task, count) in [(Task::Types, 20), (Task::Taps, 8)] {
            for quick in [false, true] {
                let plan = super::super::plan(&[task], quick).unwrap();
                assert_eq!(plan.len(), count);
                for cell in &plan {
                    let e = &cell.experiment;
                    assert_eq!(e.seeds, if quick { 2 } else { 16 });
                    let apical::task::TaskSpec::DelayedXor(xor) = &e.task else {
                        panic!("{:?}", e.task);
                    };
                    assert_eq!(2 * xor.cue + xor.delay, task.trial(quick));
                    let text = crate::experiment::resolved(e).unwrap();
                    if let Some((_, taps)) = cell.rule.split_once(" taps=") {
                        assert!(text.contains(&format!("taps = {taps}")), "{text}");
                    }
                    if let Some((key, types)) = cell.rule.split_once(" types=") {
                        let each = types.parse::<usize>().unwrap() / 2;
                        assert!(text.contains(&format!("each = {each}")), "{text}");
                        assert!(!key.starts_with("modprop") || text.contains("mu = 0.2\n"));
                    }
                }
            }
        }
    }
}
