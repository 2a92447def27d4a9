//! What to cite for an experiment, as BibTeX: the sources of its rule, task, feedback and optimizer.

use std::collections::BTreeSet;

use apical::Experiment;
use apical::feedback::FeedbackSpec;
use apical::optimizer::Method;

const REFERENCES: &str = include_str!("../../../papers/references.bib");

/// The BibTeX entries for `experiment`, each once, by their keys.
pub fn of(experiment: &Experiment) -> Vec<&'static str> {
    let mut sources = vec![experiment.rule.info().source, experiment.task.info().source];
    if let FeedbackSpec::Random { .. } = experiment.feedback {
        sources.push("Lillicrap et al. 2016");
    }
    if experiment.optimizer.kind == Method::Adam {
        sources.push("Kingma & Ba 2015");
    }
    let keys: BTreeSet<&str> = sources.into_iter().flat_map(keys).collect();
    keys.into_iter().filter_map(entry).collect()
}

/// Keys of the entries that the words of a source name: a first author and years, one source after a semicolon.
fn keys(source: &str) -> Vec<&'static str> {
    let of = |part: &str| {
        let author = author(part);
        let years: Vec<u32> = words(part).filter_map(year).collect();
        let known = all().filter(|(key, _)| key.trim_end_matches(numeric) == author);
        let known: Vec<&'static str> = known.map(|(key, _)| key).collect();
        if known.is_empty() {
            return known;
        }
        // Code without a year, or of another one, belongs to the last paper of its authors.
        let named = |key: &&str| years.iter().any(|year| key.ends_with(&year.to_string()));
        let found: Vec<&'static str> = known.iter().copied().filter(named).collect();
        match found.is_empty() {
            true => known.last().copied().into_iter().collect(),
            false => found,
        }
    };
    source.split(';').flat_map(of).collect()
}

/// The first word with a capital, in small letters: the surname of the first author.
fn author(part: &str) -> String {
    let mut words = words(part).filter(|word| word.starts_with(char::is_uppercase));
    words.next().unwrap_or_default().to_lowercase()
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric())
}

fn year(word: &str) -> Option<u32> {
    word.parse().ok().filter(|year| (1900..2100).contains(year))
}

fn numeric(c: char) -> bool {
    c.is_ascii_digit()
}

/// Every entry with its key.
fn all() -> impl Iterator<Item = (&'static str, &'static str)> {
    REFERENCES.trim_end().split("\n\n").filter_map(|entry| {
        let key = entry.split_once('{')?.1.split_once(',')?.0;
        Some((key, entry))
    })
}

fn entry(key: &str) -> Option<&'static str> {
    all()
        .find(|(known, _)| *known == key)
        .map(|(_, entry)| entry)
}

#[cfg(test)]
mod tests {
    use apical::rule::RULES;
    use apical::task::TASKS;

    use super::*;

    #[test]
    fn every_source_has_its_entry() {
        let rules = RULES.iter().map(|info| (info.name, info.source));
        let tasks = TASKS.iter().map(|info| (info.name, info.source));
        for (name, source) in rules.chain(tasks) {
            let own = ["data", "multi_task", "embedded"].contains(&name);
            assert!(own || !keys(source).is_empty(), "{name}: {source}");
        }
        assert_eq!(
            keys("Liu, Smith & others 2021 and 2022"),
            ["liu2021", "liu2022"]
        );
        assert_eq!(
            keys("Williams & Peng 1990; Marschall, Cho & Savin (code)"),
            ["williams1990", "marschall2020"]
        );
        assert_eq!(keys("your own"), [""; 0]);
    }

    #[test]
    fn entries_are_whole_and_in_order() {
        let keys: Vec<&str> = all().map(|(key, _)| key).collect();
        assert!(keys.is_sorted() && keys.len() > 20);
        for (key, entry) in all() {
            let year = &key[key.len() - 4..];
            for field in ["author = {", "title = {", &format!("year = {{{year}}}")] {
                assert!(entry.contains(field), "{key}: {field}");
            }
            assert_eq!(
                entry.matches('{').count(),
                entry.matches('}').count(),
                "{key}"
            );
            let surname = key.trim_end_matches(numeric);
            let first = entry.split("author = {").nth(1).unwrap();
            assert!(first.to_lowercase().starts_with(surname), "{key}");
        }
    }
}
