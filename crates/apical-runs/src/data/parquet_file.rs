//! Parquet files, a block of rows at a time.

use std::fs::File;
use std::path::{Path, PathBuf};

use parquet::basic::{Compression, ConvertedType, LogicalType};
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::{ByteArray, DataType, FixedLenByteArray};
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::reader::{FileReader, RowGroupReader, SerializedFileReader};
use parquet::schema::types::ColumnDescriptor;

use super::array::half;
use super::cell::quoted;
use super::table::{Names, Plan, Rows, Table};
use super::trials::{Id, Trials};
use super::{broken, memory};
use crate::{Error, Result};

/// Rows that are decoded at a time.
const BLOCK: usize = 8192;

/// A file whose schema was read.
pub(super) struct ParquetFile {
    path: PathBuf,
    reader: SerializedFileReader<File>,
    names: Names,
}

impl ParquetFile {
    pub fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(|error| Error::io(path, "read this file", &error))?;
        let reader = SerializedFileReader::new(file).map_err(|error| damaged(path, &error))?;
        let schema = reader.metadata().file_metadata().schema_descr();
        let names = schema
            .columns()
            .iter()
            .map(|column| match column.max_rep_level() {
                0 => column.path().string(),
                // A list within each row goes by the name of its column.
                _ => column.path().parts()[0].clone(),
            });
        Ok(Self {
            path: path.into(),
            names: Names::new(names.collect()),
            reader,
        })
    }

    fn column(&self, index: usize) -> &ColumnDescriptor {
        let schema = self.reader.metadata().file_metadata().schema_descr();
        &schema.columns()[index]
    }

    /// The values of a column in a group of rows, a block at a time, from row 0 of the group on.
    fn values(
        &self,
        group: &dyn RowGroupReader,
        column: usize,
        take: &mut dyn FnMut(usize, Option<Value<'_>>) -> Result<()>,
    ) -> Result<()> {
        let descriptor = self.column(column);
        if let Compression::BROTLI(_) | Compression::LZO =
            group.metadata().column(column).compression()
        {
            let mend = "Write the file with compression=\"snappy\" or \"zstd\".";
            let what =
                "is compressed by Brotli or LZO, expected Snappy, Zstandard, Gzip, LZ4 or nothing";
            return Err(self.refuse(column, what, mend));
        }
        let failed = |error: ParquetError| damaged(&self.path, &error);
        let levels = descriptor.max_def_level();
        macro_rules! all {
            ($reader:expr, $value:expr) => {
                each($reader, levels, failed, |row, value| {
                    take(row, value.map($value))
                })
            };
        }
        match group.get_column_reader(column).map_err(failed)? {
            ColumnReader::BoolColumnReader(r) => all!(r, |v| Value::Whole((*v).into())),
            ColumnReader::Int32ColumnReader(r) => match is_unsigned(descriptor) {
                true => all!(r, |v| Value::Whole((*v as u32).into())),
                false => all!(r, |v| Value::Whole((*v).into())),
            },
            ColumnReader::Int64ColumnReader(r) => match is_unsigned(descriptor) {
                true => all!(r, |v| Value::Whole((*v as u64).into())),
                false => all!(r, |v| Value::Whole((*v).into())),
            },
            ColumnReader::FloatColumnReader(r) => all!(r, |v| Value::Number((*v).into())),
            ColumnReader::DoubleColumnReader(r) => all!(r, |v| Value::Number(*v)),
            ColumnReader::ByteArrayColumnReader(r) => {
                all!(r, |v: &ByteArray| Value::Bytes(v.data()))
            }
            ColumnReader::FixedLenByteArrayColumnReader(r) => {
                all!(r, |v: &FixedLenByteArray| Value::Bytes(v.data()))
            }
            ColumnReader::Int96ColumnReader(r) => {
                all!(r, |v| Value::Whole(
                    (i128::from(v.data()[2]) << 64)
                        + (i128::from(v.data()[1]) << 32)
                        + i128::from(v.data()[0])
                ))
            }
        }
    }

    /// Refuses a column with several values in a row.
    fn check_single(&self, column: usize) -> Result<()> {
        if self.column(column).max_rep_level() == 0 {
            return Ok(());
        }
        let mend =
            "Give every number of the list a column of its own, x.0, x.1, …: together they are x.";
        Err(self.refuse(
            column,
            "holds a list in each row, expected single values",
            mend,
        ))
    }

    /// Refuses a column that holds no numbers.
    fn check_number(&self, column: usize) -> Result<Form> {
        self.check_single(column)?;
        match form(self.column(column)) {
            Form::Text => Err(self.refuse(
                column,
                "holds text, expected numbers",
                "Text can tell trials apart only: turn it into numbers.",
            )),
            Form::Time => Err(self.refuse(
                column,
                "holds dates or times, expected numbers",
                "Turn them into numbers, such as seconds since the start.",
            )),
            form => Ok(form),
        }
    }

    fn refuse(&self, column: usize, what: &str, mend: &str) -> Error {
        let name = quoted(&self.name(column));
        broken(&self.path, format!("column {name} {what}"), mend)
    }
}

/// What the values of a column mean.
#[derive(Clone, Copy, PartialEq)]
enum Form {
    Number,
    /// Whole numbers to be divided by this.
    Decimal(f64),
    Half,
    Text,
    Time,
}

enum Value<'a> {
    Whole(i128),
    Number(f64),
    Bytes(&'a [u8]),
}

fn is_unsigned(column: &ColumnDescriptor) -> bool {
    matches!(
        column.converted_type(),
        ConvertedType::UINT_8
            | ConvertedType::UINT_16
            | ConvertedType::UINT_32
            | ConvertedType::UINT_64
    )
}

fn form(column: &ColumnDescriptor) -> Form {
    use parquet::basic::Type;
    let decimal = Form::Decimal(10f64.powi(column.type_scale().max(0)));
    match (column.logical_type_ref(), column.converted_type()) {
        (Some(LogicalType::Float16), _) => Form::Half,
        (Some(LogicalType::Decimal(_)), _) | (_, ConvertedType::DECIMAL) => decimal,
        (Some(LogicalType::Date | LogicalType::Time(_) | LogicalType::Timestamp(_)), _) => {
            Form::Time
        }
        (
            _,
            ConvertedType::DATE
            | ConvertedType::TIME_MILLIS
            | ConvertedType::TIME_MICROS
            | ConvertedType::TIMESTAMP_MILLIS
            | ConvertedType::TIMESTAMP_MICROS
            | ConvertedType::INTERVAL,
        ) => Form::Time,
        _ => match column.physical_type() {
            Type::INT96 => Form::Time,
            Type::BYTE_ARRAY | Type::FIXED_LEN_BYTE_ARRAY => Form::Text,
            _ => Form::Number,
        },
    }
}

impl Form {
    fn number(self, value: Option<Value<'_>>) -> f64 {
        match (value, self) {
            (None, _) => f64::NAN,
            (Some(Value::Number(value)), _) => value,
            (Some(Value::Whole(value)), Self::Decimal(unit)) => value as f64 / unit,
            (Some(Value::Whole(value)), _) => value as f64,
            (Some(Value::Bytes(&[low, high])), Self::Half) => half(u16::from_le_bytes([low, high])),
            (Some(Value::Bytes(bytes)), Self::Decimal(unit)) if bytes.len() <= 16 => {
                // Big-endian, with the sign of its first byte.
                let sign = bytes
                    .first()
                    .map_or(0, |first| i128::from(*first as i8 >> 7));
                let whole = bytes
                    .iter()
                    .fold(sign, |whole, byte| whole << 8 | i128::from(*byte));
                whole as f64 / unit
            }
            (Some(Value::Bytes(_)), _) => f64::NAN,
        }
    }
}

/// Shows every value of a column, none where it is missing.
fn each<D: DataType>(
    mut reader: ColumnReaderImpl<D>,
    levels: i16,
    failed: impl Fn(ParquetError) -> Error,
    mut take: impl FnMut(usize, Option<&D::T>) -> Result<()>,
) -> Result<()> {
    let (mut values, mut present) = (Vec::with_capacity(BLOCK), Vec::with_capacity(BLOCK));
    let mut row = 0;
    loop {
        values.clear();
        present.clear();
        let read: ParquetResult<_> =
            reader.read_records(BLOCK, Some(&mut present), None, &mut values);
        let (records, ..) = read.map_err(&failed)?;
        if records == 0 {
            return Ok(());
        }
        let mut next = values.iter();
        for k in 0..records {
            let there = levels == 0 || present.get(k).is_some_and(|level| *level == levels);
            take(row + k, if there { next.next() } else { None })?;
        }
        row += records;
    }
}

fn damaged(path: &Path, error: &ParquetError) -> Error {
    let what = format!("damaged Parquet file ({})", quoted(&error.to_string()));
    broken(path, what, "Copy or write it again.")
}

impl Table for ParquetFile {
    fn find(&mut self, field: &str, name: &str) -> Result<Vec<usize>> {
        self.names.find(&self.path, field, name)
    }

    fn name(&self, column: usize) -> String {
        self.names.all()[column].clone()
    }

    fn read(&mut self, plan: &Plan) -> Result<Rows> {
        let forms = plan.columns.iter().map(|column| self.check_number(*column));
        let forms: Vec<Form> = forms.collect::<Result<_>>()?;
        if let Some(trial) = plan.trial {
            self.check_single(trial)?;
        }
        let width = plan.layout.width();
        let mut read = Rows::default();
        let mut trials = Trials::default();
        let place = |row: usize| format!("row {}", row + 1);
        let mut rows = 0;
        for index in 0..self.reader.num_row_groups() {
            let group = self
                .reader
                .get_row_group(index)
                .map_err(|error| damaged(&self.path, &error))?;
            let count = usize::try_from(group.metadata().num_rows()).unwrap_or(0);
            memory::reserve(&self.path, &mut read.numbers, count.saturating_mul(width))?;
            read.numbers.resize((rows + count) * width, f64::NAN);
            for (k, (column, form)) in plan.columns.iter().zip(&forms).enumerate() {
                let numbers = &mut read.numbers;
                self.values(&*group, *column, &mut |row, value| {
                    // Columns of a damaged file may be longer than they say.
                    if let Some(to) = numbers.get_mut((rows + row) * width + k) {
                        *to = form.number(value);
                    }
                    Ok(())
                })?;
            }
            if let Some(column) = plan.trial {
                self.values(&*group, column, &mut |row, value| {
                    let id = match value {
                        None => None,
                        Some(Value::Whole(whole)) => Some(Id::Whole(whole)),
                        Some(Value::Number(number)) => Id::number(number),
                        Some(Value::Bytes(bytes)) => Id::text(String::from_utf8_lossy(bytes).trim()),
                    };
                    let Some(id) = id else {
                        let name = quoted(&self.name(column));
                        let what = format!(
                            "{}, column {name}: got a missing value, expected the id of a trial in each of its rows",
                            place(rows + row)
                        );
                        return Err(broken(&self.path, what, "Repeat the id in every row of its trial."));
                    };
                    trials.push(rows + row, id);
                    Ok(())
                })?;
            }
            rows += count;
        }
        if let Some(column) = plan.trial
            && rows > 0
        {
            read.ends = trials.ends(&self.path, &self.name(column), rows, place)?;
        }
        Ok(read)
    }
}
