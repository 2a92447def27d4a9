//! The supplements of figure 2: Dale's law, which weights learn, sizes and gains.

use apical::Experiment;

use super::judged::Bound;
use super::lab::{Lab, Outcome};
use super::periodic::{Kind, PERIODS, Rates, Study, add_learning, learning_panel};
use super::{Part, Section, decimal};
use crate::claims::sequential::{ERROR, MEAN_LOOKS};
use crate::claims::{Claim, Takes, Verdict};
use apical_runs::Result;
use apical_runs::figure::{Colour, Panel};
use apical_runs::statistics::{permutation_p, quantile, rank_correlation};

impl Study {
    pub fn supplement_1(&self, lab: &Lab<'_>) -> Result<Section> {
        let mut claims = Vec::new();
        for period in PERIODS {
            let source = "paper; \"similar\" read as within a factor of 3";
            claims.extend(
                self.claims(lab, "2s1", &format!("dale-{period}"), source, |rates| {
                    let [dale, free] =
                        [Kind::Dale, Kind::Rflo].map(|kind| self.condition(kind, period, rates));
                    let statement = format!("T = {period}: RFLO learns as well under Dale's law");
                    Ok(self.compared(lab, [&dale?, &free?], statement, Bound::Below(0.477)))
                })?,
            );
        }
        let mut wrong = Vec::new();
        for period in PERIODS {
            let e = self.condition(Kind::Dale, period, Rates::Printed)?;
            wrong.extend(lab.each(&e, |o| o.wrong_signs as f64));
        }
        let most = wrong.iter().copied().fold(0.0, f64::max);
        claims.push(Claim {
            id: "2s1.signs".into(),
            figure: "2s1".into(),
            statement: "weights keep the sign of their unit".into(),
            source: "paper".into(),
            expected: "no weight of the wrong sign in any network".into(),
            measured: format!("at most {most:.0} a network"),
            spread: "none".into(),
            verdict: if most == 0.0 {
                Verdict::Reproduced
            } else {
                Verdict::NotReproduced
            },
            n: wrong.len(),
        });
        let mut panels = Vec::new();
        let kinds = [Kind::Rflo, Kind::Dale];
        for period in [200, 1_600] {
            let title = format!("T = {period} steps");
            panels.push(self.learning(lab, title, period, &kinds, Rates::Grid)?);
        }
        for rates in Rates::BOTH {
            panels.push(self.by_period(lab, &kinds, rates)?);
        }
        Ok(Section::new(Part::Supplement, panels, claims))
    }

    pub fn supplement_2(&self, lab: &Lab<'_>) -> Result<Section> {
        let conditions = self.which_weights()?;
        let [(_, both), (_, readout), (_, recurrent), (_, silent)] = &conditions;
        let better =
            |pair, statement: &str| self.compared(lab, pair, statement.into(), Bound::Above(0.0));
        let claims = vec![
            lab.judge(|| {
                let statement = "T = 200: training W and W_out beats training W_out alone";
                Ok(better([readout, both], statement).claim("2s2", "readout", "paper"))
            })?,
            lab.judge(|| {
                let statement = "T = 200: training W alone does not learn".to_string();
                let source = "paper; \"not at all\" read as at most a tenth of the loss";
                let judged = self.fallen(lab, recurrent, statement, Bound::Above(-0.0458));
                Ok(judged.claim("2s2", "recurrent", source))
            })?,
            lab.judge(|| {
                let statement = "T = 200: feeding the readout back helps training W_out alone";
                Ok(better([silent, readout], statement).claim("2s2", "fed-back", "our control"))
            })?,
        ];
        let mut panel = learning_panel("T = 200 steps, rate 0.03".into());
        for (k, (label, e)) in conditions.iter().enumerate() {
            add_learning(&mut panel, lab.of(e), (*label).into(), Colour::series(k));
        }
        Ok(Section::new(Part::Supplement, vec![panel], claims))
    }

    pub fn supplement_3(&self, lab: &Lab<'_>) -> Result<Section> {
        let (mut claims, mut panels) = (Vec::new(), Vec::new());
        for (id, what, label, conditions) in [
            ("size", "more units", "units", self.sizes()?),
            (
                "gain",
                "a larger gain g of the starting weights",
                "g",
                self.gains()?,
            ),
        ] {
            let each = |(_, e): &(f64, Experiment)| lab.each(e, Outcome::last);
            claims.push(lab.judge(|| {
                let values: Vec<Vec<f64>> = conditions.iter().map(each).collect();
                Ok(falls(id, what, &conditions, &values))
            })?);
            let values: Vec<Vec<f64>> = conditions.iter().map(each).collect();
            let x: Vec<f64> = conditions.iter().map(|(place, _)| *place).collect();
            let mut panel = Panel {
                title: format!("last loss, T = 200, against {label}"),
                x_label: label.into(),
                y_label: "loss".into(),
                log_y: true,
                ..Panel::default()
            };
            panel.add_spread(x, &values, "RFLO", Colour::Blue);
            panels.push(panel);
        }
        Ok(Section::new(Part::Supplement, panels, claims))
    }
}

/// Whether the loss falls with what tells conditions apart, by the ranks of all networks.
fn falls(id: &str, what: &str, conditions: &[(f64, Experiment)], values: &[Vec<f64>]) -> Claim {
    let (mut places, mut medians) = (Vec::new(), Vec::new());
    for ((place, _), last) in conditions.iter().zip(values) {
        medians.push(format!("{} at {place}", decimal(quantile(last, 0.5))));
        places.extend(vec![*place; last.len()]);
    }
    let losses = values.concat();
    let rho = rank_correlation(&places, &losses);
    let p = permutation_p(&places, &losses, 10_000);
    let level = 2.0 * ERROR / MEAN_LOOKS.len() as f64;
    Claim {
        id: format!("2s3.{id}"),
        figure: "2s3".into(),
        statement: format!("T = 200: the loss falls with {what}"),
        source: "paper".into(),
        expected: format!("negative rank correlation of loss and the other, p below {level}"),
        measured: format!("medians {}", medians.join(", ")),
        spread: format!("rank correlation {rho:.2}, p = {p:.4}"),
        n: losses.len(),
        verdict: match (p < level, rho < 0.0) {
            (true, true) => Verdict::Reproduced,
            (true, false) => Verdict::NotReproduced,
            _ => Verdict::NotTestable(Takes::More),
        },
    }
}
