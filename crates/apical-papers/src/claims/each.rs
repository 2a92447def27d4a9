//! Entries of a sheet that stand for many: repeated over lists of names, with texts filled in.
//!
//! `[[list.NAME]]` holds entries with a `key`. An entry anywhere else may say `each = ["NAME", "word in NAME.field"]` and
//! `with = [{…}, …]`: it is repeated for every combination, and `{word}` in its texts is the key, `{word.field}` a field of the
//! entry with this key. A text that is nothing but one of these takes the value as it is, and leaves its own key out where there
//! is none. Entries under `rows` share all else of the entry they stand in.

use std::collections::BTreeMap;

use toml::{Table, Value};

/// What words stand for.
type Words = BTreeMap<String, Value>;

/// The lists of a sheet, by name.
struct Lists(BTreeMap<String, Vec<Table>>);

/// The sheet with every entry written out, its lists taken out of it.
///
/// # Errors
/// A list, a word or a field that is not there, in words.
pub fn expanded(mut sheet: Table) -> Result<Table, String> {
    let mut lists = BTreeMap::new();
    if let Some(Value::Table(named)) = sheet.remove("list") {
        for (name, entries) in named {
            let Value::Array(entries) = entries else {
                return Err(format!("list.{name}: expected entries"));
            };
            let table = |entry| match entry {
                Value::Table(table) if table.contains_key("key") => Ok(table),
                _ => Err(format!("list.{name}: expected entries with a key")),
            };
            let entries = entries.into_iter().map(table);
            lists.insert(name.clone(), entries.collect::<Result<_, _>>()?);
        }
    }
    Lists(lists).table(&sheet, &Words::new())
}

/// The lists of a sheet as they stand there.
///
/// # Errors
/// A text that is no TOML or has no lists, in words.
pub fn lists(sheet: &str) -> Result<Table, String> {
    let mut sheet: Table = toml::from_str(sheet).map_err(|error| error.message().to_string())?;
    match sheet.remove("list") {
        Some(Value::Table(lists)) => Ok(lists),
        _ => Err("there are no lists".into()),
    }
}

impl Lists {
    /// The entry with this key: of the list of this name, or of any.
    fn entry(&self, word: &str, key: &str) -> Option<&Table> {
        let has = |entry: &&Table| entry.get("key").and_then(Value::as_str) == Some(key);
        let own = self.0.get(word).and_then(|list| list.iter().find(has));
        own.or_else(|| self.0.values().flatten().find(has))
    }

    /// What `word`, `word.field` or `word.field.field` stands for; nothing where an entry lacks the field.
    fn value(&self, path: &str, words: &Words) -> Result<Option<Value>, String> {
        let mut fields = path.split('.');
        let word = fields.next().unwrap_or_default();
        let found = words.get(word).cloned();
        let mut value = found.ok_or_else(|| format!("`{word}` stands for nothing here"))?;
        let mut list = word;
        for field in fields {
            let key = value.as_str().unwrap_or_default();
            let entry = self.entry(list, key);
            let entry = entry.ok_or_else(|| format!("no list has the key `{key}`"))?;
            let Some(found) = entry.get(field) else {
                return Ok(None);
            };
            // A field of one entry may speak of others.
            value = self.filled(found, words)?;
            list = field;
        }
        Ok(Some(value))
    }

    /// The keys that an item of `each` runs over, and the word that stands for them.
    fn keys(&self, item: &str, words: &Words) -> Result<(String, Vec<Value>), String> {
        let (word, list) = item.split_once(" in ").unwrap_or((item, item));
        let keys = match self.0.get(list) {
            Some(entries) => entries.iter().map(|entry| entry["key"].clone()).collect(),
            None => match self.value(list, words)? {
                Some(Value::Array(keys)) => keys,
                _ => return Err(format!("`{item}`: `{list}` is no list")),
            },
        };
        Ok((word.into(), keys))
    }

    /// Everything an entry stands for.
    fn entries(&self, entry: &Table, outer: &Words) -> Result<Vec<Table>, String> {
        let mut entry = entry.clone();
        let list = |value: Option<Value>| match value {
            Some(Value::Array(items)) => items,
            _ => Vec::new(),
        };
        let mut all = vec![outer.clone()];
        for item in list(entry.remove("each")) {
            let item = item.as_str().unwrap_or_default().to_string();
            let mut more = Vec::new();
            for words in all {
                let (word, keys) = self.keys(&item, &words)?;
                let with = |key| {
                    let mut words = words.clone();
                    words.insert(word.clone(), key);
                    words
                };
                more.extend(keys.into_iter().map(with));
            }
            all = more;
        }
        let with = list(entry.remove("with"));
        if !with.is_empty() {
            let mut more = Vec::new();
            for words in &all {
                for given in with.iter().filter_map(Value::as_table) {
                    let mut words = words.clone();
                    let given = given
                        .iter()
                        .map(|(word, value)| (word.clone(), value.clone()));
                    words.extend(given);
                    more.push(words);
                }
            }
            all = more;
        }
        let rows = list(entry.remove("rows"));
        let mut found = Vec::new();
        for words in &all {
            if rows.is_empty() {
                found.push(self.table(&entry, words)?);
            }
            for row in rows.iter().filter_map(Value::as_table) {
                let mut whole = entry.clone();
                whole.extend(row.clone());
                found.extend(self.entries(&whole, words)?);
            }
        }
        Ok(found)
    }

    fn table(&self, table: &Table, words: &Words) -> Result<Table, String> {
        let mut filled = Table::new();
        for (key, value) in table {
            match whole(value, words) {
                Some(path) => {
                    if let Some(value) = self.value(path, words)? {
                        filled.insert(key.clone(), value);
                    }
                }
                None => {
                    filled.insert(key.clone(), self.filled(value, words)?);
                }
            }
        }
        Ok(filled)
    }

    fn filled(&self, value: &Value, words: &Words) -> Result<Value, String> {
        Ok(match value {
            Value::String(text) => Value::String(self.text(text, words)?),
            Value::Table(table) => Value::Table(self.table(table, words)?),
            Value::Array(items) => {
                let mut all = Vec::new();
                for item in items {
                    match (item, whole(item, words)) {
                        (Value::Table(entry), _) => {
                            let entries = self.entries(entry, words)?;
                            all.extend(entries.into_iter().map(Value::Table));
                        }
                        (_, Some(path)) => match self.value(path, words)? {
                            // A list stands for its items.
                            Some(Value::Array(items)) => all.extend(items),
                            other => all.extend(other),
                        },
                        _ => all.push(self.filled(item, words)?),
                    }
                }
                Value::Array(all)
            }
            other => other.clone(),
        })
    }

    /// `text` with what its words stand for; braces around anything else stay.
    fn text(&self, text: &str, words: &Words) -> Result<String, String> {
        let mut filled = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            filled.push_str(before);
            match after.split_once('}') {
                Some((path, after)) if is_known(path, words) => {
                    match self.value(path, words)? {
                        Some(Value::String(text)) => filled.push_str(&text),
                        Some(other) => filled.push_str(&other.to_string()),
                        None => {
                            return Err(format!("`{path}` in `{text}`: there is no such field"));
                        }
                    }
                    rest = after;
                }
                _ => {
                    filled.push('{');
                    rest = after;
                }
            }
        }
        filled.push_str(rest);
        Ok(filled)
    }
}

fn is_known(path: &str, words: &Words) -> bool {
    words.contains_key(path.split_once('.').map_or(path, |(word, _)| word))
}

/// The path of a text that is nothing else.
fn whole<'a>(value: &'a Value, words: &Words) -> Option<&'a str> {
    let path = value.as_str()?.strip_prefix('{')?.strip_suffix('}')?;
    (!path.contains('{') && is_known(path, words)).then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LISTS: &str = r#"
        [[list.task]]
        key = "add"
        label = "Add"
        rules = ["rtrl", "rflo"]
        range = [0.4, 0.7]
        [[list.task]]
        key = "mimic"
        label = "Mimic"
        rules = ["rtrl"]
        [[list.rule]]
        key = "rtrl"
        set = ["rule.kind=rtrl"]
        [[list.rule]]
        key = "rflo"
        set = ["rule={kind=rflo}", "steps={steps}"]
    "#;

    fn of(text: &str) -> Result<Table, String> {
        expanded(toml::from_str(&format!("{LISTS}\n{text}")).unwrap())
    }

    #[test]
    fn entries_are_repeated_over_lists_and_their_texts_filled() {
        let sheet = of(r#"
            [[condition]]
            each = ["task", "rule in task.rules"]
            with = [{ steps = 10 }, { steps = 20 }]
            name = "{task}/{rule} {steps}"
            title = "{task.label}: {rule}"
            range = "{task.range}"
            set = ["{rule.set}", "a={b}"]
        "#);
        let sheet = sheet.unwrap();
        let found = sheet["condition"].as_array().unwrap();
        let names: Vec<_> = found.iter().map(|c| c["name"].as_str().unwrap()).collect();
        assert_eq!(names.len(), 6);
        assert_eq!(names[2..5], ["add/rflo 10", "add/rflo 20", "mimic/rtrl 10"]);
        assert_eq!(found[3]["title"].as_str(), Some("Add: rflo"));
        let set: Vec<_> = found[3]["set"].as_array().unwrap().iter().collect();
        // Braces around what stands for nothing are those of TOML.
        let texts: Vec<_> = set.iter().map(|text| text.as_str().unwrap()).collect();
        assert_eq!(texts, ["rule={kind=rflo}", "steps=20", "a={b}"]);
        assert!(found[3].get("range").unwrap().is_array());
        assert!(found[4].get("range").is_none());
    }

    #[test]
    fn rows_share_what_they_stand_in() {
        let sheet = of(r#"
            [[claim]]
            each = ["task"]
            source = "paper"
            rows = [
                { id = "{task}.a" },
                { id = "{task}.{x}", source = "ours", with = [{ x = "b" }, { x = "c" }] },
            ]
        "#);
        let sheet = sheet.unwrap();
        let rows = sheet["claim"].as_array().unwrap();
        let of = |key: &str| -> Vec<_> { rows.iter().map(|r| r[key].as_str().unwrap()).collect() };
        assert_eq!(of("id")[..4], ["add.a", "add.b", "add.c", "mimic.a"]);
        assert_eq!(of("source")[..3], ["paper", "ours", "ours"]);
    }

    #[test]
    fn what_is_not_there_is_named() {
        for (text, named) in [
            ("[[a]]\neach = [\"units\"]", "`units`"),
            (
                "[[a]]\neach = [\"task\"]\nb = \"x {task.colour}\"",
                "task.colour",
            ),
            (
                "[[a]]\nwith = [{ task = \"copy\" }]\nb = \"{task.label}\"",
                "`copy`",
            ),
        ] {
            let error = of(text).unwrap_err();
            assert!(error.contains(named), "{error}");
        }
    }
}
