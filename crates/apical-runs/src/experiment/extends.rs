//! What an experiment inherits: `extends` names another, of which the file states the differences alone.

use std::fs::Metadata;
use std::path::{Path, PathBuf};

use apical::shown::shown;
use toml::{Table, Value};

use super::{BuiltIn, read_file, unknown};
use crate::settings::{self, default_at, described, suggestion};
use crate::{Error, Result, data_paths};

/// The key that names the other experiment.
pub(super) const KEY: &str = "extends";
/// Most experiments above one another.
const DEPTH: usize = 16;
/// Longest file that is read because another names it.
const BYTES: u64 = 1 << 24;
/// What to write.
const MEND: &str = "Name one experiment: a built-in one, as in extends = \"marschall2019/lags46\", or a file beside this one.";

/// An experiment with all that it inherits.
pub(crate) struct Whole {
    /// Its settings, without `extends`.
    pub table: Table,
    /// Whether a built-in experiment names its data.
    pub has_built_in_data: bool,
}

/// The settings of `text`, which errors call `name`, upon those it inherits.
///
/// The files that it names, data and experiments, are meant from `folder`.
///
/// # Errors
/// A syntax error in any of them; an `extends` that is no text, names nothing, leads in a circle or too deep.
pub(crate) fn whole(text: &str, name: &str, folder: Option<&Path>) -> Result<Whole> {
    let own = settings::table(text, name)?;
    let mut level = Level {
        table: own,
        name: String::new(),
        folder: folder.map(Path::to_path_buf),
        is_built_in: false,
    };
    let mut above: Vec<Level> = Vec::new();
    loop {
        let parent = level.parent()?;
        if let Some(folder) = &level.folder {
            data_paths::complete(&mut level.table, folder);
        }
        let Some(parent) = parent else { break };
        above.push(level);
        if above.len() > DEPTH {
            return Err(wrong(
                &above[0].field(),
                format!("more than {DEPTH} experiments, each of which extends the next"),
                "Let one of them state its settings itself.",
            ));
        }
        level = above[above.len() - 1].open(&parent)?;
        if above.iter().any(|other| other.is_same(&level)) {
            let names = above.iter().skip(1).chain([&level]);
            let names: Vec<_> = names.map(|level| shown(&level.name).into_owned()).collect();
            return Err(wrong(
                &above[above.len() - 1].field(),
                format!("a circle: {}", names.join(" extends ")),
                "Take `extends` out of one of them, and state its settings there.",
            ));
        }
    }
    let mut data = level.is_built_in.then(|| data_of(&level.table));
    let mut table = level.table;
    for level in above.into_iter().rev() {
        merge(&mut table, level.table, &mut Vec::new());
        if level.is_built_in {
            data = Some(data_of(&table));
        }
    }
    Ok(Whole {
        has_built_in_data: data.is_some_and(|data| data == data_of(&table)),
        table,
    })
}

/// One experiment of a chain.
struct Level {
    table: Table,
    /// Empty for the one that was asked for.
    name: String,
    folder: Option<PathBuf>,
    is_built_in: bool,
}

impl Level {
    /// Takes out what it extends.
    fn parent(&mut self) -> Result<Option<String>> {
        if let Some(near) = self.table.keys().find(|key| is_nearly_extends(key)) {
            return Err(wrong(
                near,
                format!("unknown key `{}`", shown(near)),
                "Did you mean `extends`?",
            ));
        }
        match self.table.remove(KEY) {
            None => Ok(None),
            Some(Value::String(name)) if !name.is_empty() => Ok(Some(name)),
            Some(value) => {
                let what = format!(
                    "got {}, expected the name of an experiment",
                    described(&value)
                );
                Err(wrong(&self.field(), what, MEND))
            }
        }
    }

    /// The experiment that this one extends under `name`.
    fn open(&self, name: &str) -> Result<Self> {
        let built_in = BuiltIn::find(name);
        let path = match &self.folder {
            Some(folder) if built_in.is_none() => folder.join(name),
            _ => name.into(),
        };
        let is_plain = |file: Metadata| file.is_dir() || file.is_file() && file.len() <= BYTES;
        if built_in.is_none() && path.metadata().is_ok_and(|file| !is_plain(file)) {
            let what = format!(
                "{} is no ordinary file of at most {BYTES} bytes",
                path.display()
            );
            return Err(wrong(&self.field(), what, MEND));
        }
        let text = match built_in {
            Some(built_in) => Ok(built_in.toml.into()),
            None if path.exists() || name.ends_with(".toml") => read_file(&path),
            None => Err(unknown(name)),
        };
        let name = path.display().to_string();
        let text = text.map_err(|error| match error {
            Error::Config { field, what, mend } if field == name => {
                wrong(&self.field(), format!("{}: {what}", shown(&name)), &mend)
            }
            Error::Config { what, mend, .. } => wrong(&self.field(), what, &mend),
            Error::Io { reason, mend, .. } => {
                let what = format!("cannot read {}: {reason}", shown(&name));
                wrong(&self.field(), what, &mend)
            }
            other => other,
        })?;
        Ok(Self {
            table: settings::table(&text, &name)?,
            folder: match built_in {
                Some(_) => None,
                None => path.parent().map(Path::to_path_buf),
            },
            name,
            is_built_in: built_in.is_some(),
        })
    }

    /// What errors call its `extends`.
    fn field(&self) -> String {
        match &*self.name {
            "" => KEY.into(),
            name => format!("{KEY} in {}", shown(name)),
        }
    }

    fn is_same(&self, other: &Self) -> bool {
        let place = |level: &Self| match level.is_built_in {
            true => PathBuf::from(&level.name),
            false => Path::new(&level.name).canonicalize().unwrap_or_default(),
        };
        !self.name.is_empty()
            && self.is_built_in == other.is_built_in
            && place(self) == place(other)
    }
}

fn is_nearly_extends(key: &str) -> bool {
    key != KEY && !suggestion(key, &[KEY], "").is_empty()
}

fn wrong(field: &str, what: String, mend: &str) -> Error {
    Error::Config {
        field: field.into(),
        what,
        mend: mend.into(),
    }
}

/// What names the data of a task.
fn data_of(table: &Table) -> [Option<Value>; 2] {
    let task = table.get("task").and_then(Value::as_table);
    ["images", "labels"].map(|key| task.and_then(|task| task.get(key)).cloned())
}

/// Puts the settings `own` over the `inherited`, key by key; a table of another kind takes the place of the inherited one.
fn merge(inherited: &mut Table, own: Table, path: &mut Vec<String>) {
    for (key, value) in own {
        path.push(key.clone());
        match value {
            Value::Table(own) if is_merged(path) => {
                let keys: Vec<&str> = path.iter().map(String::as_str).collect();
                let entry = inherited
                    .entry(&key)
                    .or_insert_with(|| default_at(&keys).into());
                match entry {
                    Value::Table(inner) if !is_of_other_kind(&own, inner) => {
                        merge(inner, own, path)
                    }
                    entry => *entry = Value::Table(own),
                }
            }
            value => {
                inherited.insert(key, value);
            }
        }
        path.pop();
    }
}

/// Whether a table is merged: `update` has one key, which says what it is.
fn is_merged(path: &[String]) -> bool {
    path != ["update"]
}

fn is_of_other_kind(own: &Table, inherited: &Table) -> bool {
    let (own, inherited) = (own.get("kind"), inherited.get("kind"));
    own.is_some() && inherited.is_some() && own != inherited
}

#[cfg(test)]
mod tests;
