//! Write columns of numbers and texts as CSV or Parquet.

use std::collections::BTreeSet;
use std::sync::Arc;

use parquet::basic::{LogicalType, Repetition, Type as Physical};
use parquet::data_type::{ByteArray, ByteArrayType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::types::{Type, TypePtr};

use crate::{Error, Result};

/// Columns of equal length.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    /// The columns, in the order they are written.
    pub columns: Vec<Column>,
}

/// One named column.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// Name in the header.
    pub name: String,
    /// What stands below it.
    pub values: Values,
}

/// The values of a column.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// Real numbers; NaN means that the value is missing.
    F64(Vec<f64>),
    /// Counts, seeds and step numbers.
    U64(Vec<u64>),
    /// Texts.
    Text(Vec<String>),
}

impl Values {
    /// Number of rows.
    pub fn len(&self) -> usize {
        match self {
            Self::F64(v) => v.len(),
            Self::U64(v) => v.len(),
            Self::Text(v) => v.len(),
        }
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn cell(&self, row: usize) -> String {
        match self {
            Self::F64(v) if v[row].is_nan() => String::new(),
            // `{:?}` is the shortest text that reads back as the same number.
            Self::F64(v) => format!("{:?}", v[row]),
            Self::U64(v) => v[row].to_string(),
            Self::Text(v) => v[row].clone(),
        }
    }
}

impl Column {
    /// A column of real numbers; NaN means missing.
    pub fn f64(name: impl Into<String>, values: Vec<f64>) -> Self {
        Self::new(name, Values::F64(values))
    }

    /// A column of counts.
    pub fn u64(name: impl Into<String>, values: Vec<u64>) -> Self {
        Self::new(name, Values::U64(values))
    }

    /// A column of texts.
    pub fn text(name: impl Into<String>, values: Vec<String>) -> Self {
        Self::new(name, Values::Text(values))
    }

    fn new(name: impl Into<String>, values: Values) -> Self {
        Self {
            name: name.into(),
            values,
        }
    }
}

impl Table {
    /// The table as CSV with a header line; a missing number is an empty cell.
    ///
    /// # Errors
    /// [`Error::Table`] if the columns differ in length or two share a name.
    pub fn to_csv(&self) -> Result<Vec<u8>> {
        let rows = self.check()?;
        let mut writer = csv::Writer::from_writer(Vec::new());
        let failed = |e: csv::Error| encoding("CSV table", &e);
        writer
            .write_record(self.columns.iter().map(|c| &c.name))
            .map_err(failed)?;
        for row in 0..rows {
            writer
                .write_record(self.columns.iter().map(|c| c.values.cell(row)))
                .map_err(failed)?;
        }
        writer.into_inner().map_err(|e| encoding("CSV table", &e))
    }

    /// The table as an uncompressed Parquet file; a missing number is a null.
    ///
    /// # Errors
    /// [`Error::Table`] if the columns differ in length or two share a name.
    pub fn to_parquet(&self) -> Result<Vec<u8>> {
        self.check()?;
        self.parquet().map_err(|e| encoding("Parquet table", &e))
    }

    /// Number of rows, if the table holds together.
    fn check(&self) -> Result<usize> {
        let Some(first) = self.columns.first() else {
            return Err(Error::Table {
                column: String::new(),
                what: "got a table without columns, expected at least one".into(),
                mend: "Record at least one measurement.",
            });
        };
        let rows = first.values.len();
        let mut names = BTreeSet::new();
        for column in &self.columns {
            if column.values.len() != rows {
                return Err(Error::Table {
                    column: column.name.clone(),
                    what: format!(
                        "got {} rows, expected {rows} as in column `{}`",
                        column.values.len(),
                        first.name
                    ),
                    mend: "Fill missing numbers with NaN so that all columns have the same length.",
                });
            }
            if !names.insert(column.name.as_str()) {
                return Err(Error::Table {
                    column: column.name.clone(),
                    what: "got this name twice, expected each name once".into(),
                    mend: "Rename one of the two columns.",
                });
            }
        }
        Ok(rows)
    }

    fn parquet(&self) -> Result<Vec<u8>, ParquetError> {
        let fields = self.columns.iter().map(field).collect::<Result<_, _>>()?;
        let schema = Type::group_type_builder("table")
            .with_fields(fields)
            .build()?;
        let properties = Arc::new(WriterProperties::builder().build());
        let mut bytes = Vec::new();
        let mut file = SerializedFileWriter::new(&mut bytes, Arc::new(schema), properties)?;
        let mut rows = file.next_row_group()?;
        for column in &self.columns {
            let mut writer = rows
                .next_column()?
                .ok_or_else(|| ParquetError::General("fewer columns than in the schema".into()))?;
            write_values(&column.values, &mut writer)?;
            writer.close()?;
        }
        rows.close()?;
        file.close()?;
        Ok(bytes)
    }
}

fn encoding(what: &'static str, reason: &dyn std::fmt::Display) -> Error {
    Error::Encode {
        what,
        reason: reason.to_string(),
        mend: "Write the other table format, and report this as a fault of Apical.",
    }
}

fn field(column: &Column) -> Result<TypePtr, ParquetError> {
    let (physical, repetition, logical) = match column.values {
        Values::F64(_) => (Physical::DOUBLE, Repetition::OPTIONAL, None),
        Values::U64(_) => (
            Physical::INT64,
            Repetition::REQUIRED,
            Some(LogicalType::integer(64, false)),
        ),
        Values::Text(_) => (
            Physical::BYTE_ARRAY,
            Repetition::REQUIRED,
            Some(LogicalType::String),
        ),
    };
    Type::primitive_type_builder(&column.name, physical)
        .with_repetition(repetition)
        .with_logical_type(logical)
        .build()
        .map(Arc::new)
}

fn write_values(
    values: &Values,
    writer: &mut SerializedColumnWriter<'_>,
) -> Result<(), ParquetError> {
    match values {
        Values::F64(v) => {
            // Nulls are left out of the values and marked by a level of 0.
            let present: Vec<f64> = v.iter().copied().filter(|x| !x.is_nan()).collect();
            let levels: Vec<i16> = v.iter().map(|x| i16::from(!x.is_nan())).collect();
            writer
                .typed::<DoubleType>()
                .write_batch(&present, Some(&levels), None)?;
        }
        Values::U64(v) => {
            // Parquet stores unsigned numbers in the bits of signed ones.
            let bits: Vec<i64> = v.iter().map(|x| x.cast_signed()).collect();
            writer.typed::<Int64Type>().write_batch(&bits, None, None)?;
        }
        Values::Text(v) => {
            let texts: Vec<ByteArray> = v.iter().map(|t| ByteArray::from(t.as_str())).collect();
            writer
                .typed::<ByteArrayType>()
                .write_batch(&texts, None, None)?;
        }
    }
    Ok(())
}
