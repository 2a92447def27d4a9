//! Tests of the claims on made-up curves.

use crate::Choice;
use crate::claims::sheet::Condition;
use crate::claims::{Claim, Verdict};
use crate::study::Study;
use apical_runs::record::{Curve, Ending, SeedRecord};
use apical_runs::statistics::Spread;

use super::curves::{Losses, power};
use super::{LISTS, Own, SHEET, THIS, Work};

const GRID: [u64; 6] = [18_000, 36_000, 54_000, 72_000, 90_000, 108_000];

/// A run with these losses, its accuracy 1 where the loss is below 0.3.
fn record(seed: u64, losses: &[f64]) -> SeedRecord {
    let curve = |name: &str, values: Vec<f64>| Curve {
        name: name.into(),
        steps: GRID[..losses.len()].to_vec(),
        values,
        end: None,
    };
    let right = |loss: &f64| if *loss < 0.3 { 1.0 } else { 0.5 };
    SeedRecord {
        seed,
        steps: 108_000,
        ending: Ending::Finished,
        curves: vec![
            curve("loss", losses.to_vec()),
            curve("accuracy", losses.iter().map(right).collect()),
        ],
        tests: Default::default(),
        warnings: Vec::new(),
    }
}

fn own() -> Option<Own> {
    match THIS.work {
        Work::Sheet(_, own) => own,
        Work::Own(..) => None,
    }
}

/// The study of a part with the losses of each rule, rate and seed.
fn judged(part: &'static str, losses: impl Fn(&str, f64, u64) -> Vec<f64>) -> Study {
    let choice = Choice {
        part: Some(part),
        ..Choice::default()
    };
    let study = THIS.study(SHEET, own(), choice).unwrap();
    let of = |condition: &Condition, seed: u64| {
        let [_, [_, rule], [_, rate]] = &condition.columns[..] else {
            panic!("{condition:?}");
        };
        record(seed, &losses(rule, rate.parse().unwrap(), seed))
    };
    study.with_records(of).unwrap()
}

fn claim(study: &Study, id: &str) -> Claim {
    let mut claims = study.claims().unwrap();
    if study.place("xor-modprop_cell_code-5e-4").is_ok() {
        claims.extend(super::released::claims(study).unwrap());
    }
    let found = claims.into_iter().find(|claim| claim.id == id);
    found.unwrap_or_else(|| panic!("{id}"))
}

/// The name of the better rate of a rule.
fn better<'a>(study: &'a Study, name: &str) -> &'a str {
    &study.conditions[study.place(name).unwrap()].name
}

#[test]
fn orders_are_found_the_right_way_round() {
    let study = judged("xor", |rule, rate, seed| {
        let level = match rule {
            "bptt" => 0.1,
            "modprop_cell_code" => 0.2,
            // At the better rate between the two, at the other above all.
            "mdgl_cell" if rate == 1e-3 => 0.25,
            // Alike but for the seeds.
            "modprop_typed_code" => 0.5 + 0.01 * (seed % 2) as f64,
            "three_factor" => 0.5 + 0.01 * ((seed + 1) % 2) as f64,
            _ => 0.6,
        };
        vec![level + 0.001 * seed as f64; 6]
    });
    let verdict = |id: &str| claim(&study, &format!("xor.{id}")).verdict;
    for (id, expected) in [
        ("bptt_before_modprop_cell_code", Verdict::Reproduced),
        (
            "modprop_typed_code_before_mdgl_cell",
            Verdict::NotReproduced,
        ),
        ("modprop_cell_code_before_mdgl_cell", Verdict::Reproduced),
    ] {
        assert_eq!(verdict(id), expected, "{id}");
    }
    assert!(!verdict("modprop_typed_code_before_three_factor").is_decided());
    assert_eq!(better(&study, "xor/mdgl_cell"), "xor-mdgl_cell-1e-3");
    // Both are there at the first record.
    assert!(!verdict("bptt_sooner_than_modprop_cell_code").is_decided());
    let sooner = claim(&study, "xor.bptt_sooner_than_modprop_typed_paper");
    assert_eq!(sooner.verdict, Verdict::Reproduced);
    let measured = "medians 20 and never; 8 of 8 seeds sooner";
    assert_eq!(sooner.measured, measured);
    let rates = "never as 120, first - second, below 0 (same seeds; rates 5e-4 and 5e-4)";
    assert!(sooner.expected.ends_with(rates), "{sooner:?}");
}

#[test]
fn the_criterion_has_to_last_and_the_last_record_chooses_no_rate() {
    let study = judged("xor", |_, rate, _| match rate {
        1e-3 => vec![0.6, 0.2, 0.6, 0.2, 0.2, 0.2],
        // Lower, but for the record that is dropped.
        _ => vec![0.1, 0.1, 0.1, 0.1, 0.1, 9.0],
    });
    let losses = Losses::of(&study, study.place("xor-bptt-1e-3").unwrap());
    assert_eq!(losses.quantity("reached").unwrap().unwrap()[0], 80.0);
    assert_eq!(better(&study, "xor/bptt"), "xor-bptt-5e-4");
}

#[test]
fn one_run_that_fails_chooses_no_rate() {
    // Lower at 1e-3, but for one seed.
    let study = judged("xor", |_, rate, seed| match (rate, seed) {
        (1e-3, 0) => vec![1.3; 6],
        (1e-3, _) => vec![0.1 + 0.001 * seed as f64; 6],
        _ => vec![0.15; 6],
    });
    assert_eq!(better(&study, "xor/bptt"), "xor-bptt-1e-3");
}

#[test]
fn cells_are_compared_with_types_and_with_the_three_factor_rule() {
    let study = judged("xor", |rule, _, seed| {
        let level = match rule {
            "modprop_cell_code" => 0.2,
            "modprop_typed_code" => 0.4,
            "three_factor" => 0.3,
            _ => 0.1,
        };
        vec![level + 0.001 * seed as f64; 6]
    });
    let verdict = |id: &str| claim(&study, &format!("xor.modprop_cell_{id}")).verdict;
    for worse in ["three_factor", "modprop_typed_code"] {
        let found = verdict(&format!("code_before_{worse}"));
        assert_eq!(found, Verdict::Reproduced, "{worse}");
    }
    // No difference at all between these two.
    assert!(!verdict("paper_before_modprop_typed_paper").is_decided());
}

#[test]
fn a_run_that_diverges_counts_to_its_end() {
    let study = judged("xor", |rule, _, seed| match (rule, seed) {
        ("bptt", 0) => vec![0.1, 0.1, f64::NAN],
        _ => vec![0.1; 6],
    });
    let losses = Losses::of(&study, study.place("xor-bptt-1e-3").unwrap());
    let ceiling = 2.0 * 2f64.ln();
    let area = losses.quantity("area").unwrap().unwrap()[0];
    assert!((area - (0.2 + 4.0 * ceiling) / 6.0).abs() < 1e-12, "{area}");
    let mut run = record(0, &[0.1; 6]);
    run.ending = Ending::Diverged(String::new());
    assert_eq!(super::curves::accuracy(&run), 0.0);
}

#[test]
fn noise_is_no_agreement_with_the_released_curves() {
    for (id, key) in [
        ("xor.released_area", "area"),
        ("xor.released_loss", "final"),
    ] {
        let theirs = LISTS.released.iter().find(|r| r.key == key).unwrap();
        let logs: Vec<f64> = theirs.values.iter().map(|loss| loss.ln()).collect();
        let spread = Spread::of(&logs);
        // Eight runs about `shift` times their mean that spread `wide` times as theirs do.
        let verdict = |shift: f64, wide: f64| {
            let study = judged("xor", |_, _, seed| {
                let place = (seed as f64 - 3.5) / 6_f64.sqrt();
                let log = spread.mean + wide * spread.deviation * place;
                vec![shift * log.exp(); 6]
            });
            claim(&study, id).verdict
        };
        assert_eq!(verdict(1.0, 1.0), Verdict::Reproduced, "{id}");
        assert!(!verdict(1.0, 3.0).is_decided(), "{id}");
        assert!(!verdict(1.9, 1.0).is_decided(), "{id}");
        assert_eq!(verdict(0.04, 0.5), Verdict::NotReproduced, "{id}");
    }
}

#[test]
fn the_best_of_a_grid_is_judged_on_seeds_that_did_not_choose_it() {
    // Each value of μ is good on one half of the seeds alone: the best on the seeds that choose it is worse on the others.
    let study = judged("mu", |rule, _, seed| {
        let first = seed < 4;
        let level = match rule {
            "modprop_typed_paper mu=0.5" if first => 0.2,
            "modprop_typed_paper mu=1" if !first => 0.2,
            "modprop_typed_paper mu=0.5" | "modprop_typed_paper mu=1" => 0.6,
            "three_factor" => 0.5,
            _ => 0.55,
        };
        vec![level + 0.001 * seed as f64; 6]
    });
    let found = claim(&study, "mu.best_paper_before_three_factor");
    assert_eq!(found.verdict, Verdict::NotReproduced);
    assert!(found.measured.ends_with("; mu 1 and 0.5"), "{found:?}");
    let figures = study.figures().unwrap();
    let panel = &figures[0].1.panels[1];
    assert_eq!(panel.y_label, "loss over 120 iterations");
    let level = panel.levels[0].label.as_ref().unwrap();
    assert!(level.starts_with("three-factor, 0.50"), "{level}");
}

#[test]
fn a_curve_is_measured_by_its_own_power() {
    let study = judged("pattern", |_, _, _| vec![0.05; 6]);
    let place = study.place("pattern-bptt-1e-3").unwrap();
    let e = study.ran(place).experiment;
    let (a, b) = (power(e, 0).unwrap(), power(e, 1).unwrap());
    assert!((a / b - 1.0).abs() > 0.01, "{a} {b}");
    let areas = Losses::of(&study, place).quantity("area").unwrap().unwrap();
    assert!((areas[0] * a - 0.05).abs() < 1e-12 && (areas[1] * b - 0.05).abs() < 1e-12);
}

#[test]
fn likeness_and_order_are_judged_at_each_number_of_types() {
    let study = judged("types", |rule, _, seed| {
        let level = match rule {
            "modprop_cell_paper types=16" => 0.30,
            // Near enough at 16 types, not at 2.
            "modprop_typed_paper types=16" => 0.32,
            "modprop_cell_paper types=2" => 0.20,
            "modprop_typed_paper types=2" => 0.40,
            _ => 0.50,
        };
        vec![level + 0.001 * (seed % 3) as f64; 6]
    });
    let like = |types: u64| {
        let rules = ["typed", "cell"].map(|w| format!("modprop_{w}_paper types={types}"));
        claim(&study, &format!("types.{}_like_{}", rules[0], rules[1]))
    };
    assert_eq!(like(16).verdict, Verdict::Reproduced, "{:?}", like(16));
    assert_eq!(like(2).verdict, Verdict::NotReproduced);
    assert_eq!(like(2).n, 16);
    let before = "types.modprop_typed_paper types=16_before_three_factor types=16";
    assert_eq!(claim(&study, before).verdict, Verdict::Reproduced);
    let before = "types.modprop_typed_paper types=8_before_mdgl_typed types=8";
    assert!(!claim(&study, before).verdict.is_decided());
    let figures = study.figures().unwrap();
    let typed = &figures[0].1.panels[0].curves[1];
    assert_eq!(typed.x, [2.0, 4.0, 8.0, 16.0]);
    assert!(typed.y[0] > typed.y[3], "{typed:?}");
}

#[test]
fn filters_of_fixed_length_are_judged_against_those_without_end() {
    let study = judged("taps", |rule, _, seed| {
        let level = match rule {
            "modprop_cell_paper taps=3" => 0.5,
            _ => 0.2 + 0.002 * (seed % 2) as f64 * rule.len() as f64,
        };
        vec![level; 6]
    });
    let like = |taps: u64| {
        let key = "modprop_cell_paper";
        claim(&study, &format!("taps.{key} taps={taps}_like_{key}")).verdict
    };
    assert_eq!(like(3), Verdict::NotReproduced);
    assert_eq!(like(11), Verdict::Reproduced);
    let figures = study.figures().unwrap();
    let curve = &figures[0].1.panels[0].curves[0];
    assert_eq!(curve.x, [3.0, 11.0, 33.0, 100.0]);
}

#[test]
fn the_experiments_of_a_grid_have_its_settings() {
    for (part, count) in [("types", 20), ("taps", 8)] {
        for quick in [false, true] {
            let choice = Choice {
                quick,
                part: Some(part),
                budget: None,
            };
            let study = THIS.study(SHEET, own(), choice).unwrap();
            assert_eq!(study.conditions.len(), count);
            for (place, condition) in study.named() {
                let e = study.ran(place).experiment;
                assert_eq!(e.seeds, if quick { 2 } else { 16 });
                assert_eq!(Losses::of(&study, place).trial(), 100);
                let text = apical_runs::experiment::resolved(e).unwrap();
                let rule = &condition.columns[1][1];
                if let Some((_, taps)) = rule.split_once(" taps=") {
                    assert!(text.contains(&format!("taps = {taps}")), "{text}");
                }
                if let Some((key, types)) = rule.split_once(" types=") {
                    let each = types.parse::<usize>().unwrap() / 2;
                    assert!(text.contains(&format!("each = {each}")), "{text}");
                    assert!(!key.starts_with("modprop") || text.contains("mu = 0.2\n"));
                }
            }
        }
    }
}
