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
use super::broken;
use super::cell::quoted;
use super::store::Store;
use super::table::{Names, Plan, Read, Table};
use super::trials::{Id, Trials};
use crate::{Error, Result};

/// Numbers of a block of rows, which is decoded at a time.
const NUMBERS: usize = 1 << 20;

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

    /// The values of a column in a group of rows.
    fn values(&self, group: &dyn RowGroupReader, column: usize) -> Result<Box<dyn Values>> {
        let descriptor = self.column(column);
        if let Compression::BROTLI(_) | Compression::LZO =
            group.metadata().column(column).compression()
        {
            let mend = "Write the file with compression=\"snappy\" or \"zstd\".";
            let what =
                "is compressed by Brotli or LZO, expected Snappy, Zstandard, Gzip, LZ4 or nothing";
            return Err(self.refuse(column, what, mend));
        }
        let levels = descriptor.max_def_level();
        let unsigned = is_unsigned(descriptor);
        let reader = group.get_column_reader(column);
        Ok(match reader.map_err(|error| damaged(&self.path, &error))? {
            ColumnReader::BoolColumnReader(r) => typed(r, levels, |v| Value::Whole((*v).into())),
            ColumnReader::Int32ColumnReader(r) => typed(r, levels, move |v| {
                Value::Whole(if unsigned {
                    (*v as u32).into()
                } else {
                    (*v).into()
                })
            }),
            ColumnReader::Int64ColumnReader(r) => typed(r, levels, move |v| {
                Value::Whole(if unsigned {
                    (*v as u64).into()
                } else {
                    (*v).into()
                })
            }),
            ColumnReader::FloatColumnReader(r) => typed(r, levels, |v| Value::Number((*v).into())),
            ColumnReader::DoubleColumnReader(r) => typed(r, levels, |v| Value::Number(*v)),
            ColumnReader::ByteArrayColumnReader(r) => {
                typed(r, levels, |v: &ByteArray| Value::Bytes(v.data()))
            }
            ColumnReader::FixedLenByteArrayColumnReader(r) => {
                typed(r, levels, |v: &FixedLenByteArray| Value::Bytes(v.data()))
            }
            ColumnReader::Int96ColumnReader(r) => typed(r, levels, |v| {
                let [low, middle, high] = [0, 1, 2].map(|k| i128::from(v.data()[k]));
                Value::Whole((high << 64) + (middle << 32) + low)
            }),
        })
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

/// A column, from its first value on.
trait Values {
    /// Shows the next `count` values with their places among these, none where one is missing.
    fn next(&mut self, count: usize, take: &mut Take<'_>) -> ParquetResult<Result<()>>;
}

type Take<'a> = dyn FnMut(usize, Option<Value<'_>>) -> Result<()> + 'a;

struct Typed<D: DataType, F> {
    reader: ColumnReaderImpl<D>,
    levels: i16,
    value: F,
    values: Vec<D::T>,
    present: Vec<i16>,
}

fn typed<D: DataType, F>(reader: ColumnReaderImpl<D>, levels: i16, value: F) -> Box<dyn Values>
where
    F: for<'a> Fn(&'a D::T) -> Value<'a> + 'static,
{
    Box::new(Typed {
        reader,
        levels,
        value,
        values: Vec::new(),
        present: Vec::new(),
    })
}

impl<D: DataType, F: for<'a> Fn(&'a D::T) -> Value<'a>> Values for Typed<D, F> {
    fn next(&mut self, count: usize, take: &mut Take<'_>) -> ParquetResult<Result<()>> {
        let mut row = 0;
        while row < count {
            self.values.clear();
            self.present.clear();
            let present = Some(&mut self.present);
            let read = self
                .reader
                .read_records(count - row, present, None, &mut self.values);
            let (records, ..) = read?;
            if records == 0 {
                let what = "a column ends before its group of rows";
                return Err(ParquetError::General(what.into()));
            }
            let mut next = self.values.iter();
            for k in 0..records {
                let there =
                    self.levels == 0 || self.present.get(k).is_some_and(|l| *l == self.levels);
                let value = if there { next.next() } else { None };
                if let Err(error) = take(row + k, value.map(&self.value)) {
                    return Ok(Err(error));
                }
            }
            row += records;
        }
        Ok(Ok(()))
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

    fn read(&mut self, plan: &Plan) -> Result<Read> {
        let forms = plan.columns.iter().map(|column| self.check_number(*column));
        let forms: Vec<Form> = forms.collect::<Result<_>>()?;
        if let Some(trial) = plan.trial {
            self.check_single(trial)?;
        }
        let width = plan.layout.width();
        let block = (NUMBERS / width).clamp(1, 8192);
        let mut numbers = vec![0.0; block * width];
        let mut store = Store::new(&self.path);
        let mut trials = Trials::default();
        let place = |row: usize| format!("row {}", row + 1);
        let failed = |error: ParquetError| damaged(&self.path, &error);
        let mut rows = 0;
        for index in 0..self.reader.num_row_groups() {
            let group = self.reader.get_row_group(index).map_err(failed)?;
            let column = |column: &usize| self.values(&*group, *column);
            let mut columns: Vec<_> = plan.columns.iter().map(column).collect::<Result<_>>()?;
            let mut ids = plan.trial.as_ref().map(column).transpose()?;
            let mut left = usize::try_from(group.metadata().num_rows()).unwrap_or(0);
            while left > 0 {
                let count = left.min(block);
                for (k, (column, form)) in columns.iter_mut().zip(&forms).enumerate() {
                    let read = column.next(count, &mut |row, value| {
                        numbers[row * width + k] = form.number(value);
                        Ok(())
                    });
                    read.map_err(failed)??;
                }
                if let (Some(column), Some(ids)) = (plan.trial, &mut ids) {
                    let read = ids.next(count, &mut |row, value| {
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
                    });
                    read.map_err(failed)??;
                }
                store.push(&numbers[..count * width])?;
                rows += count;
                left -= count;
            }
        }
        let ends = match plan.trial {
            Some(column) if rows > 0 => trials.ends(&self.path, &self.name(column), rows, place)?,
            _ => Vec::new(),
        };
        Ok(Read {
            rows: store.finish()?,
            ends,
            lines: Vec::new(),
        })
    }
}
