//! The tables of a sheet: of texts for readers, of numbers for further analysis.

use super::Report;
use super::judge::decimal;
use super::study::Study;
use crate::claims::Verdict;
use crate::claims::expression::Quantities;
use crate::claims::sheet::Condition;
use crate::claims::shown::{Aligned, Cell, Content, Numbers, Reference, Told};
use apical_runs::Result;
use apical_runs::record::{Ending, SeedRecord, metrics_table};
use apical_runs::statistics::{Spread, median, paired, pooled_deviation};
use apical_runs::table::{Column, Table};

impl Study {
    /// Tables of texts: the grids, then those the sheet asks for.
    ///
    /// # Errors
    /// A quantity that is not there.
    pub fn reports(&self) -> Result<Vec<Report>> {
        let mut reports = self.grids();
        for told in &self.sheet.reports {
            let quick = |cell: &&Cell| cell.quick || !self.is_quick();
            let header = told.header.iter().filter(quick);
            reports.push(Report {
                name: told.name.clone().into(),
                title: told.title.clone(),
                on_screen: told.on_screen,
                header: header.map(|cell| cell.text.clone()).collect(),
                rows: self.rows(told)?,
            });
        }
        Ok(reports)
    }

    fn rows(&self, told: &Told) -> Result<Vec<Vec<String>>> {
        let mut rows = Vec::new();
        match told.of {
            Content::Cells => {
                for line in &told.row {
                    let shown = line
                        .cell
                        .iter()
                        .filter(|cell| cell.quick || !self.is_quick());
                    rows.push(shown.map(|cell| self.cell(cell)).collect::<Result<_>>()?);
                }
            }
            Content::Commands => {
                let row = |(_, c): (usize, &Condition)| {
                    let command = format!("`{}`", c.command());
                    vec![c.title.clone(), c.label.clone(), command]
                };
                rows.extend(self.named().map(row));
            }
            Content::References => {
                for (_, condition) in self.named() {
                    let references = self.sheet.references.iter();
                    for reference in references.filter(|r| r.on == condition.name) {
                        rows.push(self.beside(reference, condition)?);
                    }
                }
            }
            Content::Aligned => {
                for aligned in &self.sheet.aligned {
                    rows.extend(self.aligned(aligned)?);
                }
            }
        }
        Ok(rows)
    }

    fn cell(&self, cell: &Cell) -> Result<String> {
        Ok(match &cell.of {
            Some(of) if self.has(of)? => around(&of.values(self)?),
            Some(_) => String::new(),
            None => cell.text.clone(),
        })
    }

    /// What others measured of a condition, and ours; both again with the entropy of the labels taken off, where theirs is known.
    fn beside(&self, theirs: &Reference, condition: &Condition) -> Result<Vec<String>> {
        let of = |name: &str| self.quantity(name, &[&condition.name]);
        let ours = of(&theirs.of)?;
        let mut row = vec![
            condition.title.clone(),
            condition.label.clone(),
            theirs.kind.clone(),
        ];
        row.extend(beside(theirs, &ours));
        row.extend(match theirs.floor {
            Some(floor) => {
                let less = Reference {
                    mean: theirs.mean - floor,
                    ..theirs.clone()
                };
                beside(&less, &paired(&ours, &of("entropy")?))
            }
            None => [const { String::new() }; 4],
        });
        Ok(row)
    }

    /// Alignments that others measured, and ours, pair by pair.
    fn aligned(&self, aligned: &Aligned) -> Result<Vec<Vec<String>>> {
        let mut rows = Vec::new();
        for (line, theirs) in aligned.lower.iter().enumerate() {
            for (column, theirs) in theirs.iter().enumerate() {
                let names = [&aligned.items[line + 1], &aligned.items[column]]
                    .map(|item| aligned.on.replace("{item}", item));
                let [a, b] = [&names[0], &names[1]].map(|name| self.place(name));
                let (a, b) = (&self.conditions[a?], &self.conditions[b?]);
                let spread = Spread::of(&self.quantity("alignment", &[&a.name, &b.name])?);
                rows.push(vec![
                    a.title.clone(),
                    format!("{} with {}", a.label, b.label),
                    format!("{theirs:.2}"),
                    format!("{:.2} ± {:.2}", spread.mean, spread.deviation),
                    format!("{:+.2}", spread.mean - theirs),
                ]);
            }
        }
        Ok(rows)
    }

    fn grids(&self) -> Vec<Report> {
        let mut cells = self.judged[self.sheet.claims.len()..].iter();
        let mut reports = Vec::new();
        for (grid, places) in &self.grids {
            let mut header = grid.columns.clone();
            header.extend(["seeds that do", "median", "10 % to 90 %", "verdict"].map(String::from));
            let mut rows = Vec::new();
            for (names, judged) in places.iter().zip(cells.by_ref()) {
                let verdict = match judged.verdict() {
                    Verdict::Reproduced => "does".into(),
                    Verdict::NotReproduced => "does not".into(),
                    open => open.text(),
                };
                let mut row = names.clone();
                row.extend([
                    format!("{} of {}", judged.count(), judged.values.len()),
                    decimal(median(&judged.values)),
                    judged.range(),
                    verdict,
                ]);
                rows.push(row);
            }
            reports.push(Report {
                name: grid.name.clone().into(),
                title: grid.title.clone(),
                on_screen: false,
                header,
                rows,
            });
        }
        reports
    }

    /// Tables of numbers by file name, those of comparisons at the end.
    ///
    /// # Errors
    /// A quantity that is not there.
    pub fn tables(&self) -> Result<Vec<(String, Table)>> {
        let mut tables = Vec::new();
        for numbers in &self.sheet.tables {
            match numbers {
                Numbers::Records {} => {
                    for (place, condition) in self.named() {
                        let records = self.ran(place).records;
                        if !records.is_empty() {
                            let mut table = metrics_table(records);
                            let rows = table.columns.first().map_or(0, |c| c.values.len());
                            let named = columns(condition).into_iter().rev();
                            for [name, value] in named {
                                let column = Column::text(name, vec![value; rows]);
                                table.columns.insert(0, column);
                            }
                            tables.push((condition.name.clone(), table));
                        }
                    }
                }
                Numbers::Seeds { name, columns } => {
                    tables.push((name.clone(), self.seeds(columns)?));
                }
                Numbers::Curves {
                    name,
                    quantity,
                    column,
                } => tables.push((name.clone(), self.curves(quantity, column))),
            }
        }
        for (comparison, compared) in self.sheet.comparisons.iter().zip(&self.compared) {
            tables.push((format!("alignment-{}", comparison.name), compared.table()));
        }
        Ok(tables)
    }

    /// A row a seed of every condition.
    fn seeds(&self, quantities: &[[String; 2]]) -> Result<Table> {
        let mut named = Named::default();
        let mut seeds = Vec::new();
        let mut numbers = vec![Vec::new(); quantities.len()];
        let mut endings = Vec::new();
        for (place, condition) in self.named() {
            let ran = self.ran(place);
            named.add(condition, ran.records.len());
            seeds.extend(ran.records.iter().map(|record| record.seed));
            for ([_, quantity], numbers) in quantities.iter().zip(&mut numbers) {
                numbers.extend(self.quantity(quantity, &[&condition.name])?);
            }
            endings.extend(ran.records.iter().map(ending));
        }
        let mut columns = named.columns();
        columns.push(Column::u64("seed", seeds));
        let numbers = quantities.iter().zip(numbers);
        columns.extend(numbers.map(|([name, _], values)| Column::f64(name, values)));
        columns.push(Column::text("ending", endings));
        Ok(Table { columns })
    }

    /// A row a record of every seed of every condition.
    fn curves(&self, quantity: &str, column: &str) -> Table {
        let mut named = Named::default();
        let (mut seeds, mut steps, mut values) = (Vec::new(), Vec::new(), Vec::new());
        for (place, condition) in self.named() {
            let ran = self.ran(place);
            for (record, (at, found)) in ran.records.iter().zip(ran.curves(quantity)) {
                named.add(condition, at.len());
                seeds.extend(vec![record.seed; at.len()]);
                steps.extend(at);
                values.extend(found);
            }
        }
        let mut columns = named.columns();
        columns.extend([
            Column::u64("seed", seeds),
            Column::u64("step", steps),
            Column::f64(column, values),
        ]);
        Table { columns }
    }
}

/// Columns that name the conditions of rows.
#[derive(Default)]
struct Named(Vec<(String, Vec<String>)>);

impl Named {
    fn add(&mut self, condition: &Condition, rows: usize) {
        for (k, [name, value]) in columns(condition).into_iter().enumerate() {
            if self.0.len() <= k {
                self.0.push((name, Vec::new()));
            }
            self.0[k].1.extend(vec![value; rows]);
        }
    }

    fn columns(self) -> Vec<Column> {
        let columns = self.0.into_iter();
        columns
            .map(|(name, values)| Column::text(name, values))
            .collect()
    }
}

/// Columns that name a condition, and what stands in them.
fn columns(condition: &Condition) -> Vec<[String; 2]> {
    match &condition.columns[..] {
        [] => vec![["condition".into(), condition.name.clone()]],
        columns => columns.to_vec(),
    }
}

fn ending(record: &SeedRecord) -> String {
    match &record.ending {
        Ending::Diverged(message) => message.clone(),
        _ => "finished".into(),
    }
}

/// Mean ± sd, and the seeds that diverged.
fn around(values: &[f64]) -> String {
    let finite: Vec<f64> = values.iter().copied().filter(|v| v.is_finite()).collect();
    let spread = Spread::of(&finite);
    let lost = match values.len() - finite.len() {
        0 => String::new(),
        lost => format!("; {lost} diverged"),
    };
    format!(
        "{:.4} ± {:.4} (n = {}{lost})",
        spread.mean, spread.deviation, spread.n
    )
}

/// Theirs, ours, how far apart in pooled standard deviations, and what that means.
fn beside(theirs: &Reference, values: &[f64]) -> [String; 4] {
    let ours = Spread::of(values);
    let pooled = pooled_deviation((theirs.sd, theirs.n), (ours.deviation, ours.n));
    let apart = (ours.mean - theirs.mean) / pooled;
    let verdict = match apart {
        _ if !apart.is_finite() => "diverged",
        _ if apart > 2.0 => "**worse**",
        _ if apart < -2.0 => "better",
        _ => "within two",
    };
    let deviation = match theirs.n {
        1 => String::new(),
        _ => format!(" ± {:.4}", theirs.sd),
    };
    [
        format!("{:.4}{deviation} (n = {})", theirs.mean, theirs.n),
        around(values),
        format!("{apart:+.1}"),
        verdict.into(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdicts_beside_the_reference_are_in_pooled_deviations() {
        let theirs = Reference {
            on: String::new(),
            of: String::new(),
            kind: String::new(),
            mean: 1.0,
            sd: 0.1,
            n: 3,
            floor: None,
        };
        let verdict = |shift: f64| {
            let values: Vec<f64> = [-0.1, 0.0, 0.1].map(|d| 1.0 + shift + d).into();
            beside(&theirs, &values)[3].clone()
        };
        assert_eq!(verdict(0.19), "within two");
        assert_eq!(verdict(0.21), "**worse**");
        assert_eq!(verdict(-0.21), "better");
        assert_eq!(beside(&theirs, &[f64::NAN])[3], "diverged");
    }
}
