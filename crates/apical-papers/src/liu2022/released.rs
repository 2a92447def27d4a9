//! ModProp as released beside the ten curves the authors released.

use super::LISTS;
use super::curves::Losses;
use crate::claims::{Claim, Verdict, measured};
use crate::judge::iterations;
use crate::study::Study;
use apical_runs::Result;
use apical_runs::statistics::{Spread, median, welch};

/// What the authors' runs reached.
fn theirs(key: &str) -> &'static [f64] {
    let found = LISTS.released.iter().find(|released| released.key == key);
    found.map_or(&[], |released| &released.values)
}

fn decided(yes: bool) -> Verdict {
    match yes {
        true => Verdict::Reproduced,
        false => Verdict::NotReproduced,
    }
}

fn sorted(values: &[f64]) -> String {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let texts: Vec<String> = sorted.iter().map(|it| iterations(*it)).collect();
    texts.join(" ")
}

/// Whether our runs of the released condition do as theirs did.
pub fn claims(study: &Study) -> Result<Vec<Claim>> {
    let losses = Losses::of(study, study.place("xor-modprop_cell_code-5e-4")?);
    let of = |name: &str| losses.quantity(name).map(Option::unwrap_or_default);
    let (reached, accuracies) = (of("reached")?, of("accuracy")?);
    let n = reached.len();
    let claim = |id: &str, statement: &str, expected: String| Claim {
        id: format!("xor.released_{id}"),
        figure: "released curves".into(),
        statement: format!("ModProp as released (W, code, 5e-4): {statement}"),
        source: "the authors' result files, ten runs".into(),
        expected,
        n,
        ..measured(&Spread::of(&[]))
    };
    let within = reached.iter().filter(|it| **it <= 1500.0).count();
    let (middle, accuracy) = (median(&reached), median(&accuracies));
    let worst = accuracies.iter().copied().fold(f64::INFINITY, f64::min);
    let sustained = theirs("sustained");
    let mut claims = vec![
        Claim {
            measured: format!("{within} of {n}"),
            spread: format!("iterations {}", sorted(&reached)),
            verdict: decided(within == n && n > 0),
            ..claim(
                "solved",
                "every run reaches 0.95",
                "within 1,500 iterations".into(),
            )
        },
        Claim {
            measured: iterations(middle),
            spread: format!("theirs {}", sorted(sustained)),
            verdict: decided((100.0..=350.0).contains(&middle)),
            ..claim(
                "speed",
                "iterations to 0.95, median",
                format!("between 100 and 350; theirs {:.0}", median(sustained)),
            )
        },
        Claim {
            measured: format!("{accuracy:.3}"),
            spread: format!("worst {worst:.3}; theirs 1.000, every run"),
            verdict: decided(accuracy >= 0.999),
            ..claim(
                "accuracy",
                "accuracy of the last 15 records, median",
                "1.000".into(),
            )
        },
    ];
    // Factors that eight runs can decide against ten if they spread as those do: by one of 1.6 and one of 3.7 (sd of logarithms).
    for (key, id, statement, factor) in [
        ("area", "area", "mean loss over training", 2.0),
        ("final", "loss", "loss of the last 15 records", 4.0),
    ] {
        let (ratio, expected) = ratio(&of(key)?, theirs(key), factor);
        claims.push(Claim {
            measured: ratio.measured,
            spread: ratio.spread,
            verdict: ratio.verdict,
            ..claim(id, statement, expected)
        });
    }
    Ok(claims)
}

/// Whether the ratio of two geometric means lies within a factor, and what is expected of it.
fn ratio(ours: &[f64], theirs: &[f64], factor: f64) -> (Claim, String) {
    let logs = |losses: &[f64]| losses.iter().map(|l| l.ln()).collect::<Vec<_>>();
    let (a, b) = (Spread::of(&logs(ours)), Spread::of(&logs(theirs)));
    let interval = welch(&a, &b);
    let claim = Claim {
        measured: format!("{:.4} (median {:.4})", a.mean.exp(), median(ours)),
        spread: format!(
            "ratio {:.2}, 95 % interval {:.2} to {:.2}",
            (a.mean - b.mean).exp(),
            interval.0.exp(),
            interval.1.exp()
        ),
        verdict: Verdict::near(interval, factor.ln()),
        ..measured(&a)
    };
    let expected = format!(
        "theirs {:.4} (median {:.4}), geometric means; the interval of the ratio within a factor of {factor}",
        b.mean.exp(),
        median(theirs)
    );
    (claim, expected)
}
