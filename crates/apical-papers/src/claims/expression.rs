//! What a claim measures: numbers of conditions, one a seed, and what is made of several of them.

use serde::Deserialize;

use super::measure::Measure;
use apical_runs::{Error, Result};

/// One number a seed.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum Expression {
    /// A constant.
    Number(f64),
    /// A quantity of conditions: `QUANTITY of NAME`, `QUANTITY of NAME, NAME`.
    Quantity(String),
    /// A measure of the records of the conditions a claim is on.
    Records(Measure),
    /// Something of several.
    Composed(Composed),
}

/// One number a seed, of others of the same seed.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Composed {
    /// The first less the second.
    Less(Box<[Expression; 2]>),
    /// The first over the second.
    Over(Box<[Expression; 2]>),
    /// The product.
    Times(Box<[Expression; 2]>),
    /// The distance of two.
    Apart(Box<[Expression; 2]>),
    /// The smaller of two.
    Least(Box<[Expression; 2]>),
    /// Its absolute value.
    Size(Box<Expression>),
    /// Its logarithm to the base 10.
    Log10(Box<Expression>),
    /// The largest of them.
    Largest(Vec<Expression>),
    /// The mean over pairs.
    MeanOver(Pairs),
    /// The largest over pairs.
    LargestOver(Pairs),
}

/// Pairs of names, within groups and between different ones, and what is measured of `{a}` and `{b}`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pairs {
    /// The expression of a pair, with its names still open.
    pub of: toml::Value,
    /// Groups all of whose pairs count.
    #[serde(default)]
    pub within: Vec<Vec<String>>,
    /// Groups of which a pair has one name each.
    #[serde(default)]
    pub between: Vec<Vec<String>>,
}

/// Where quantities are looked up.
pub trait Quantities {
    /// A quantity of the conditions of these names, one number a seed.
    ///
    /// # Errors
    /// A quantity or a condition that is not there.
    fn quantity(&self, name: &str, of: &[&str]) -> Result<Vec<f64>>;
}

impl Pairs {
    /// The pairs, those between groups first.
    fn pairs(&self) -> Vec<(&str, &str)> {
        let mut found = Vec::new();
        for (i, group) in self.between.iter().enumerate() {
            for a in group {
                let others = self.between[i + 1..].iter().flatten();
                found.extend(others.map(|b| (a.as_str(), b.as_str())));
            }
        }
        for group in &self.within {
            for (k, a) in group.iter().enumerate() {
                found.extend(group[k + 1..].iter().map(|b| (a.as_str(), b.as_str())));
            }
        }
        found
    }

    fn all(&self) -> Result<Vec<Expression>> {
        let of = |(a, b)| {
            let filled = filled(&self.of, &[("{a}", a), ("{b}", b)]);
            Expression::deserialize(filled).map_err(|error| wrong(error.message(), "an expression"))
        };
        self.pairs().into_iter().map(of).collect()
    }
}

impl Composed {
    /// The expressions it is made of.
    fn parts(&self) -> Result<Vec<Expression>> {
        Ok(match self {
            Self::Less(two)
            | Self::Over(two)
            | Self::Times(two)
            | Self::Apart(two)
            | Self::Least(two) => two.to_vec(),
            Self::Size(one) | Self::Log10(one) => vec![(**one).clone()],
            Self::Largest(all) => all.clone(),
            Self::MeanOver(pairs) | Self::LargestOver(pairs) => pairs.all()?,
        })
    }

    /// What becomes of the numbers of a seed.
    fn made(&self, of: &[f64]) -> f64 {
        let at = |k: usize| of.get(k).copied().unwrap_or(f64::NAN);
        match self {
            Self::Less(_) => at(0) - at(1),
            Self::Over(_) => at(0) / at(1),
            Self::Times(_) => at(0) * at(1),
            Self::Apart(_) => (at(0) - at(1)).abs(),
            Self::Least(_) => at(0).min(at(1)),
            Self::Size(_) => at(0).abs(),
            Self::Log10(_) => at(0).log10(),
            Self::MeanOver(_) => of.iter().sum::<f64>() / of.len() as f64,
            Self::Largest(_) | Self::LargestOver(_) => of.iter().copied().fold(f64::NAN, f64::max),
        }
    }
}

impl Expression {
    /// One number a seed, of as many seeds as all conditions have; a single one of constants alone.
    ///
    /// # Errors
    /// A quantity or a condition that is not there.
    pub fn values(&self, from: &dyn Quantities) -> Result<Vec<f64>> {
        match self {
            Self::Number(value) => Ok(vec![*value]),
            Self::Quantity(text) => {
                let (name, of) = quantity(text)?;
                from.quantity(name, &of)
            }
            Self::Records(_) => Err(wrong("a measure of records", "part of another")),
            Self::Composed(composed) => {
                let parts = composed.parts()?;
                let constant = |part: &Self| matches!(part, Self::Number(_));
                let values = parts.iter().map(|part| part.values(from));
                let values: Vec<Vec<f64>> = values.collect::<Result<_>>()?;
                let varied = parts
                    .iter()
                    .zip(&values)
                    .filter(|(part, _)| !constant(part));
                let seeds = varied.map(|(_, values)| values.len()).min().unwrap_or(1);
                let at = |k: usize| {
                    let of = |values: &Vec<f64>| values[k.min(values.len() - 1)];
                    composed.made(&values.iter().map(of).collect::<Vec<f64>>())
                };
                Ok((0..seeds).map(at).collect())
            }
        }
    }

    /// The names of all conditions it is measured on.
    ///
    /// # Errors
    /// A text that names no quantity.
    pub fn conditions(&self) -> Result<Vec<String>> {
        Ok(match self {
            Self::Number(_) | Self::Records(_) => Vec::new(),
            Self::Quantity(text) => quantity(text)?.1.into_iter().map(String::from).collect(),
            Self::Composed(composed) => {
                let parts = composed.parts()?;
                let names = parts.iter().map(Self::conditions);
                names.collect::<Result<Vec<_>>>()?.concat()
            }
        })
    }
}

/// `value` with all its texts filled in.
fn filled(value: &toml::Value, words: &[(&str, &str)]) -> toml::Value {
    use toml::Value;
    match value {
        Value::String(text) => {
            let fill = |text: String, (from, to): &(&str, &str)| text.replace(from, to);
            Value::String(words.iter().fold(text.clone(), fill))
        }
        Value::Array(items) => Value::Array(items.iter().map(|item| filled(item, words)).collect()),
        Value::Table(table) => {
            let entries = table.iter().map(|(key, v)| (key.clone(), filled(v, words)));
            Value::Table(entries.collect())
        }
        other => other.clone(),
    }
}

/// The quantity and the conditions of a text.
fn quantity(text: &str) -> Result<(&str, Vec<&str>)> {
    let (name, of) = text
        .split_once(" of ")
        .ok_or_else(|| wrong(text, "QUANTITY of CONDITION"))?;
    Ok((name, of.split(", ").collect()))
}

fn wrong(text: &str, expected: &str) -> Error {
    Error::Config {
        field: "measure".into(),
        what: format!("got `{text}`, expected {expected}"),
        mend: "Mend the sheet and build the program again.".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Quantities that are the numbers their conditions are named after, and those plus 1.
    struct Named;

    impl Quantities for Named {
        fn quantity(&self, _: &str, of: &[&str]) -> Result<Vec<f64>> {
            let number = |name: &&str| name.parse::<f64>().unwrap();
            let sum: f64 = of.iter().map(number).sum();
            Ok(vec![sum, sum + 1.0])
        }
    }

    fn values(text: &str) -> Vec<f64> {
        #[derive(Deserialize)]
        struct Holder {
            measure: Expression,
        }
        let holder: Holder = toml::from_str(&format!("measure = {text}")).unwrap();
        holder.measure.values(&Named).unwrap()
    }

    #[test]
    fn expressions_are_of_the_same_seed() {
        assert_eq!(values(r#"{ less = ["x of 3", "x of 1"] }"#), [2.0, 2.0]);
        assert_eq!(values(r#"{ over = ["x of 3, 1", 2] }"#), [2.0, 2.5]);
        assert_eq!(values(r#"{ log10 = { times = [10, "x of 9"] } }"#)[1], 2.0);
        assert_eq!(values(r#"{ least = ["x of 3", 3.5] }"#), [3.0, 3.5]);
        let far = r#"{ largest = [{ apart = ["x of 1", "x of 5"] }, { size = "x of -7" }] }"#;
        assert_eq!(values(far), [7.0, 6.0]);
    }

    #[test]
    fn pairs_are_within_groups_and_between_different_ones() {
        let mean = |groups: &str| {
            values(&format!(
                r#"{{ mean_over = {{ of = "x of {{a}}, {{b}}", {groups} }} }}"#
            ))[0]
        };
        assert_eq!(mean(r#"within = [["1", "2"], ["4"]]"#), 3.0);
        assert_eq!(mean(r#"between = [["1", "2"], ["4"]]"#), 5.5);
        assert_eq!(
            mean(r#"between = [["1", "2"], ["4"]], within = [["1", "3"]]"#),
            5.0
        );
    }
}
