//! Whole papers: every run, the figure, the claims.

pub mod marschall2019;

use std::path::Path;

use crate::claims::Claims;
use crate::figure::Figure;
use crate::record::{SeedRecord, metrics_table};
use crate::run::{write_figure, write_json};
use crate::table::Column;
use crate::{Result, files};

/// What a reproduction gave.
#[derive(Clone, Debug)]
pub struct Reproduction {
    /// Figures by file name.
    pub figures: Vec<(&'static str, Figure)>,
    /// The claims.
    pub claims: Claims,
    /// Records of each condition, by name.
    pub records: Vec<(&'static str, Vec<SeedRecord>)>,
}

impl Reproduction {
    /// Writes figures, claims and the records of each condition into `dir`, a new folder.
    ///
    /// # Errors
    /// Files that cannot be written.
    pub fn write(&self, dir: &Path) -> Result<()> {
        for (name, figure) in &self.figures {
            write_figure(&dir.join(name), figure)?;
        }
        write_json(&dir.join("claims.json"), &self.claims)?;
        files::write_atomic(dir.join("claims.md"), self.claims.to_markdown().as_bytes())?;
        for (name, records) in &self.records {
            let mut table = metrics_table(records);
            let rows = table
                .columns
                .first()
                .map_or(0, |column| column.values.len());
            let names = vec![(*name).to_string(); rows];
            table.columns.insert(0, Column::text("condition", names));
            files::write_atomic(dir.join(format!("{name}.csv")), &table.to_csv()?)?;
            files::write_atomic(dir.join(format!("{name}.parquet")), &table.to_parquet()?)?;
        }
        Ok(())
    }
}
