//! The panels of figure 2: learning, outputs, losses by period, alignment, hybrids.

use apical::Experiment;
use apical::task::TaskSpec;

use super::judged::{Bound, Judged};
use super::lab::{Lab, Outcome};
use super::periodic::{Kind, LARGER, PERIODS, Rates, Study, add_learning, learning_panel};
use super::{Part, Section, decimal};
use apical_runs::Result;
use apical_runs::figure::{Colour, Curve, Panel, Weight};
use apical_runs::statistics::{paired, quantile};

impl Study {
    pub fn figure_2a(&self, lab: &Lab<'_>) -> Result<Section> {
        let mut claims = Vec::new();
        for kind in [Kind::Rflo, Kind::Bptt] {
            for (period, bound) in [(200, Bound::Below(-1.0)), (1_600, Bound::Below(0.0))] {
                let id = format!("{}-{period}", kind.text().to_lowercase());
                claims.extend(self.claims(lab, "2a", &id, "paper", |rates| {
                    let e = self.condition(kind, period, rates)?;
                    let small = if period == 200 {
                        " to a tenth or less"
                    } else {
                        ""
                    };
                    let statement =
                        format!("T = {period}: {} brings the loss down{small}", kind.text());
                    Ok(self.fallen(lab, &e, statement, bound))
                })?);
            }
        }
        claims.extend(self.claims(lab, "2a", "long", "paper", |rates| {
            let pair = [Kind::Rflo, Kind::Bptt].map(|kind| self.condition(kind, 1_600, rates));
            let [rflo, bptt] = pair;
            let statement = "T = 1600: BPTT ends below RFLO".to_string();
            Ok(self.compared(lab, [&rflo?, &bptt?], statement, Bound::Above(0.0)))
        })?);
        let mut panels = Vec::new();
        for period in [200, 1_600] {
            let title = format!("T = {period} steps");
            let kinds = [Kind::Rflo, Kind::Bptt];
            panels.push(self.learning(lab, title.clone(), period, &kinds, Rates::Printed)?);
            panels.push(self.learning(lab, title, period, &kinds, Rates::Grid)?);
            panels.push(self.outputs(lab, period, Rates::Printed)?);
            panels.push(self.outputs(lab, period, Rates::Grid)?);
        }
        Ok(Section::new(Part::Main, panels, claims))
    }

    /// Output of the first network after training against the target.
    fn outputs(&self, lab: &Lab<'_>, period: u64, rates: Rates) -> Result<Panel> {
        let mut curves = Vec::new();
        let steps: Vec<f64> = (1..=period).map(|t| t as f64).collect();
        for kind in [Kind::Rflo, Kind::Bptt] {
            let e = self.condition(kind, period, rates)?;
            if let Some(outcome) = lab.of(&e).first() {
                curves.push(Curve {
                    label: Some(kind.text().into()),
                    x: steps.clone(),
                    y: outcome.seen.output.clone(),
                    colour: kind.colour(),
                    weight: Weight::Dark,
                });
            }
            if let TaskSpec::Periodic(task) = &e.task
                && kind == Kind::Rflo
            {
                curves.push(Curve {
                    label: Some("target".into()),
                    x: steps.clone(),
                    y: (1..=period).map(|t| task.target(t)).collect(),
                    colour: Colour::Black,
                    weight: Weight::Dashed,
                });
            }
        }
        Ok(Panel {
            title: format!("output of one network, T = {period}, {}", rates.text()),
            x_label: "step".into(),
            y_label: "output".into(),
            curves,
            ..Panel::default()
        })
    }

    pub fn learning(
        &self,
        lab: &Lab<'_>,
        title: String,
        period: u64,
        kinds: &[Kind],
        rates: Rates,
    ) -> Result<Panel> {
        let mut panel = learning_panel(format!("{title}, {}", rates.text()));
        for kind in kinds {
            let e = self.condition(*kind, period, rates)?;
            let label = format!("{}, {}", kind.text(), decimal(e.optimizer.rate));
            add_learning(&mut panel, lab.of(&e), label, kind.colour());
        }
        Ok(panel)
    }

    pub fn figure_2b(&self, lab: &Lab<'_>) -> Result<Section> {
        let mut claims = Vec::new();
        let both = |period, rates| -> Result<[Experiment; 2]> {
            Ok([
                self.condition(Kind::Rflo, period, rates)?,
                self.condition(Kind::Bptt, period, rates)?,
            ])
        };
        claims.extend(self.claims(
            lab,
            "2b",
            "short",
            "paper; \"comparable\" read as within a factor of 3",
            |rates| {
                let [rflo, bptt] = both(200, rates)?;
                let statement = "T = 200: RFLO is comparable with BPTT".to_string();
                Ok(self.compared(lab, [&rflo, &bptt], statement, Bound::Below(0.477)))
            },
        )?);
        for units in LARGER {
            claims.push(lab.judge(|| {
                let [rflo, bptt] = [Kind::Rflo, Kind::Bptt].map(|kind| self.larger(kind, units));
                let statement = format!(
                    "T = 200, {units} units: RFLO is comparable with BPTT (printed rates of 30 units)"
                );
                let judged = self.compared(lab, [&rflo?, &bptt?], statement, Bound::Below(0.477));
                let source = "our question; \"comparable\" read as within a factor of 3";
                Ok(judged.claim("2b", &format!("short-{units}"), source))
            })?);
        }
        claims.extend(self.claims(lab, "2b", "gap", "paper", |rates| {
            let gap = |period| -> Result<Vec<f64>> {
                let [rflo, bptt] = both(period, rates)?;
                Ok(self.ratio(lab, &rflo, &bptt))
            };
            let differences = paired(&gap(1_600)?, &gap(200)?);
            Ok(Judged {
                statement: "the gap between RFLO and BPTT grows from T = 200 to 1600".into(),
                ..Judged::of(
                    &differences,
                    "log10 ratio at 1600 less that at 200",
                    Bound::Above(0.0),
                )
            })
        })?);
        for kind in [Kind::Rflo, Kind::Bptt] {
            for period in PERIODS {
                let id = format!("{}-{period}", kind.text().to_lowercase());
                claims.extend(self.claims(lab, "2b", &id, "paper", |rates| {
                    let e = self.condition(kind, period, rates)?;
                    let statement = format!(
                        "T = {period}: {} ends below the untrained network",
                        kind.text()
                    );
                    Ok(self.fallen(lab, &e, statement, Bound::Below(0.0)))
                })?);
            }
        }
        let panels = Rates::BOTH.map(|rates| self.by_period(lab, &[Kind::Rflo, Kind::Bptt], rates));
        let panels = panels.into_iter().collect::<Result<_>>()?;
        Ok(Section::new(Part::Main, panels, claims))
    }

    /// Last losses against the period, with quartiles.
    pub fn by_period(&self, lab: &Lab<'_>, kinds: &[Kind], rates: Rates) -> Result<Panel> {
        let mut panel = Panel {
            title: format!("last loss, {}", rates.text()),
            x_label: "period in steps".into(),
            y_label: "loss".into(),
            log_x: true,
            log_y: true,
            ..Panel::default()
        };
        let periods: Vec<f64> = PERIODS.map(|p| p as f64).into();
        let mut first = Vec::new();
        for kind in kinds {
            let mut values = Vec::new();
            for period in PERIODS {
                let e = self.condition(*kind, period, rates)?;
                values.push(lab.each(&e, Outcome::last));
                if *kind == kinds[0] {
                    first.push(lab.each(&e, Outcome::first));
                }
            }
            panel.add_spread(periods.clone(), &values, kind.text(), kind.colour());
        }
        panel.add_spread(periods, &first, "untrained", Colour::Grey);
        Ok(panel)
    }

    pub fn figure_2c(&self, lab: &Lab<'_>) -> Result<Section> {
        let mut claims = Vec::new();
        for period in PERIODS {
            claims.extend(self.claims(
                lab,
                "2c",
                &format!("rises-{period}"),
                "paper",
                |rates| {
                    let e = self.condition(Kind::Rflo, period, rates)?;
                    let end = lab.each(&e, Outcome::alignment);
                    let start = lab.each(&e, |o| o.alignments.1[0]);
                    Ok(Judged {
                        statement: format!(
                            "T = {period}: alignment of W_out with B rises in training"
                        ),
                        measured: format!(
                            "median {:.2}, from {:.2}",
                            quantile(&end, 0.5),
                            quantile(&start, 0.5)
                        ),
                        ..Judged::of(
                            &paired(&end, &start),
                            "last cosine less the first",
                            Bound::Above(0.0),
                        )
                    })
                },
            )?);
        }
        let mut panels = Vec::new();
        for rates in Rates::BOTH {
            let mut panel = Panel {
                title: format!("alignment of W_out with B under RFLO, {}", rates.text()),
                x_label: "trial".into(),
                y_label: "cosine".into(),
                ..Panel::default()
            };
            for (k, period) in PERIODS.into_iter().enumerate() {
                let e = self.condition(Kind::Rflo, period, rates)?;
                let curves: Vec<(Vec<u64>, Vec<f64>)> = lab
                    .of(&e)
                    .iter()
                    .map(|o| {
                        let trials = o.alignments.0.iter().map(|step| step / period);
                        (trials.collect(), o.alignments.1.clone())
                    })
                    .collect();
                panel.add_runs(&curves, format!("T = {period}"), Colour::series(k));
            }
            panels.push(panel);
        }
        Ok(Section::new(Part::Main, panels, claims))
    }

    pub fn figure_2d(&self, lab: &Lab<'_>) -> Result<Section> {
        let pairs = [
            (
                "nonlocal",
                [Kind::Nonlocal, Kind::Bptt],
                "random feedback alone costs nothing against BPTT (at most a factor of 2)",
                Bound::Below(0.301),
            ),
            (
                "local",
                [Kind::Rflo, Kind::Symmetric],
                "random feedback costs nothing beside the local approximation (at most a factor of 2)",
                Bound::Below(0.301),
            ),
            (
                "local-nonlocal",
                [Kind::Symmetric, Kind::Nonlocal],
                "the local approximation costs more than random feedback",
                Bound::Above(0.0),
            ),
            (
                "rflo-bptt",
                [Kind::Rflo, Kind::Bptt],
                "RFLO ends above BPTT",
                Bound::Above(0.0),
            ),
        ];
        let mut claims = Vec::new();
        for (id, kinds, statement, bound) in pairs {
            claims.extend(self.claims(lab, "2d", id, "paper", |rates| {
                let [a, b] = kinds.map(|kind| self.condition(kind, 800, rates));
                let judged = self.compared(lab, [&a?, &b?], format!("T = 800: {statement}"), bound);
                let hybrid = |kind: &Kind| matches!(kind, Kind::Symmetric | Kind::Nonlocal);
                Ok(Judged {
                    unprinted: kinds.iter().any(hybrid),
                    ..judged
                })
            })?);
        }
        let four = [Kind::Bptt, Kind::Nonlocal, Kind::Symmetric, Kind::Rflo];
        let panel = |rates| self.learning(lab, "T = 800 steps".into(), 800, &four, rates);
        let panels = vec![panel(Rates::Printed)?, panel(Rates::Grid)?];
        Ok(Section::new(Part::Main, panels, claims))
    }
}
