//! The NPY format: what an array holds, and its numbers in the order of the file.

use std::io::{Cursor, Read};
use std::path::Path;

use npyz::{DType, Endianness, NpyHeader, Order, TypeChar, TypeStr};

use super::broken;
use super::cell::quoted;
use super::numpy::{Sink, Used};
use super::trials::Id;
use crate::{Error, Result};

/// No header of numbers is longer.
const HEADER: usize = 1 << 20;

/// An array whose header was read.
pub(super) struct Array {
    label: String,
    shape: Vec<u64>,
    order: Order,
    dtype: String,
    /// What an element holds: one value or, of a structured array, several by name.
    fields: Vec<Field>,
    structured: bool,
    /// Bytes of an element, and those that follow the header.
    element: usize,
    there: u64,
}

struct Field {
    name: String,
    offset: usize,
    kind: Kind,
    big: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Bool,
    Int(usize),
    Uint(usize),
    Float(usize),
    /// So many characters of 32 bits.
    Text(usize),
    Bytes(usize),
    Time,
    Other,
}

impl Kind {
    fn is_number(self) -> bool {
        matches!(
            self,
            Self::Bool | Self::Int(_) | Self::Uint(_) | Self::Float(_)
        )
    }
}

impl Array {
    /// Reads the header of an array whose file has `bytes` bytes.
    pub fn open(path: &Path, label: &str, source: &mut dyn Read, bytes: u64) -> Result<Self> {
        let wrong = |reason: &str| {
            let what = format!("{label} is not in the NPY format ({reason})");
            broken(path, what, "Write it with numpy.save or numpy.savez.")
        };
        let mut head = vec![0; 10];
        let fill = |source: &mut dyn Read, part: &mut [u8]| {
            source
                .read_exact(part)
                .map_err(|_| wrong("its header is cut off"))
        };
        fill(source, &mut head)?;
        if &head[..6] != b"\x93NUMPY" {
            return Err(wrong("it does not begin as one"));
        }
        let length = if head[6] == 1 {
            usize::from(u16::from_le_bytes([head[8], head[9]]))
        } else {
            head.resize(12, 0);
            fill(source, &mut head[10..])?;
            u32::from_le_bytes([head[8], head[9], head[10], head[11]]) as usize
        };
        if length > HEADER {
            return Err(wrong("its header is longer than 1 MB"));
        }
        let begin = head.len();
        head.resize(begin + length, 0);
        fill(source, &mut head[begin..])?;
        let there = bytes.saturating_sub(head.len() as u64);
        let header = NpyHeader::from_reader(Cursor::new(&head[..]));
        let header = header.map_err(|_| wrong("its header cannot be read"))?;
        let dtype = header.dtype();
        if dtype.uses_pickled_array() {
            let what = format!("{label} holds Python objects (dtype object), expected numbers");
            let mend = "Save x.astype(float). Trials of different length become one array, numpy.concatenate(x), and a \
                column that numbers them, numpy.repeat(numpy.arange(len(x)), [len(trial) for trial in x]).";
            return Err(broken(path, what, mend));
        }
        let (fields, structured) = fields(&dtype);
        Ok(Self {
            label: label.into(),
            shape: header.shape().to_vec(),
            order: header.order(),
            element: dtype.num_bytes().unwrap_or(0),
            dtype: dtype.descr(),
            fields,
            structured,
            there,
        })
    }

    /// Whether it is a single column that bears its name.
    pub fn is_column(&self) -> bool {
        self.shape.len() == 1 && !self.structured
    }

    pub fn rows(&self) -> usize {
        self.shape
            .first()
            .map_or(0, |rows| usize::try_from(*rows).unwrap_or(usize::MAX))
    }

    /// Number of columns.
    pub fn width(&self) -> usize {
        match self.shape.get(1) {
            _ if self.structured => self.fields.len(),
            Some(columns) => usize::try_from(*columns).unwrap_or(usize::MAX),
            None => 1,
        }
    }

    /// Names of its columns, if it can be read as columns: those of its fields, or 0, 1, ….
    pub fn names(&self, path: &Path) -> Result<Vec<String>> {
        const MOST: u64 = 10_000_000;
        match self.shape[..] {
            [_] if self.structured => Ok(self.fields.iter().map(|f| f.name.clone()).collect()),
            [_] => Ok(vec!["0".into()]),
            [_, columns] if columns <= MOST && !self.structured => {
                Ok((0..columns).map(|k| k.to_string()).collect())
            }
            _ => {
                let what = format!(
                    "{} has the shape {:?}, expected (steps) or (steps, columns)",
                    self.label, self.shape
                );
                let mend = match self.shape[..] {
                    [_, _, _] => {
                        "Save trials one below the other, x.reshape(-1, x.shape[-1]), with a column that \
                        numbers them, numpy.repeat(numpy.arange(x.shape[0]), x.shape[1])."
                    }
                    _ => "Save trials one below the other, with a column that numbers them.",
                };
                Err(broken(path, what, mend))
            }
        }
    }

    /// Refuses an array that is cut off, and columns that hold no numbers.
    pub fn check(&self, path: &Path, used: &Used) -> Result<()> {
        let elements = self
            .shape
            .iter()
            .try_fold(1u64, |n, size| n.checked_mul(*size));
        let bytes = elements.and_then(|n| n.checked_mul(self.element as u64));
        if self.element > 0 && bytes.is_none_or(|bytes| bytes > self.there) {
            return Err(self.truncated(path));
        }
        for (column, to) in &used.0 {
            let kind = self.field(*column).kind;
            if kind.is_number() || to.is_none() && kind != Kind::Other {
                continue;
            }
            let what = format!(
                "{} has the dtype {}, expected floats (f2, f4, f8), integers or booleans",
                self.label,
                quoted(&self.dtype).trim_matches('`')
            );
            let mend = match kind {
                Kind::Text(_) | Kind::Bytes(_) => {
                    "Text can tell trials apart only: save numbers with array.astype(float)."
                }
                Kind::Time => {
                    "Save seconds, for example (times - times[0]) / numpy.timedelta64(1, 's')."
                }
                _ => "Save it with array.astype(float).",
            };
            return Err(broken(path, what, mend));
        }
        Ok(())
    }

    fn truncated(&self, path: &Path) -> Error {
        let what = format!(
            "{} is truncated: its shape is {:?}, and {} bytes follow the header",
            self.label, self.shape, self.there
        );
        broken(path, what, "Copy or write the file again.")
    }

    /// What stands in a column.
    fn field(&self, column: usize) -> &Field {
        if self.structured {
            &self.fields[column]
        } else {
            &self.fields[0]
        }
    }

    /// Reads the columns that are used and were checked; `source` stands behind the header.
    pub fn read(
        &self,
        path: &Path,
        source: &mut dyn Read,
        used: &Used,
        sink: &mut Sink,
    ) -> Result<()> {
        let (rows, columns) = (self.rows(), self.width());
        if rows == 0 || columns == 0 || self.element == 0 {
            return Ok(());
        }
        let across = self.order == Order::Fortran && self.shape.len() == 2 && !self.structured;
        let line = match (across, self.structured) {
            (true, _) | (_, true) => self.element,
            _ => self.element.saturating_mul(columns),
        };
        let most = (1usize << 18).div_ceil(line).min(rows);
        let mut bytes = vec![0; most.saturating_mul(line)];
        for strip in 0..if across { columns } else { 1 } {
            let mut row = 0;
            while row < rows {
                let count = most.min(rows - row);
                let part = &mut bytes[..count * line];
                source
                    .read_exact(part)
                    .map_err(|error| match error.kind() {
                        std::io::ErrorKind::UnexpectedEof => self.truncated(path),
                        _ => {
                            let what = format!("{} cannot be read ({error})", self.label);
                            broken(path, what, "Copy or write the file again.")
                        }
                    })?;
                for (column, to) in &used.0 {
                    let field = self.field(*column);
                    let offset = match (across, self.structured) {
                        (true, _) if *column != strip => continue,
                        (true, _) => 0,
                        (_, true) => field.offset,
                        _ => column * self.element,
                    };
                    for (k, line) in part.chunks_exact(line).enumerate() {
                        let value = &line[offset..];
                        match to {
                            Some(to) => {
                                sink.numbers[(row + k) * sink.width + to] = field.number(value);
                            }
                            None => match field.id(value) {
                                Some(id) => sink.trials.push(row + k, id),
                                None => return Err(self.no_id(path, row + k)),
                            },
                        }
                    }
                }
                row += count;
            }
        }
        Ok(())
    }

    fn no_id(&self, path: &Path, row: usize) -> Error {
        let what = format!(
            "row {}, {}: got a missing value, expected the id of a trial in each of its rows",
            row + 1,
            self.label
        );
        broken(path, what, "Repeat the id in every row of its trial.")
    }
}

/// The values of an element, and whether they have names.
fn fields(dtype: &DType) -> (Vec<Field>, bool) {
    let plain = |name: &str, offset: usize, kind: &TypeStr| Field {
        name: name.into(),
        offset,
        kind: kind_of(kind),
        big: kind.endianness() == Endianness::Big,
    };
    match dtype {
        DType::Plain(kind) => (vec![plain("", 0, kind)], false),
        DType::Record(parts) => {
            let mut offset = 0;
            let mut fields = Vec::new();
            for part in parts {
                fields.push(match &part.dtype {
                    DType::Plain(kind) => plain(&part.name, offset, kind),
                    _ => Field {
                        name: part.name.clone(),
                        offset,
                        kind: Kind::Other,
                        big: false,
                    },
                });
                offset += part.dtype.num_bytes().unwrap_or(0);
            }
            (fields, true)
        }
        DType::Array(..) => {
            let field = Field {
                name: String::new(),
                offset: 0,
                kind: Kind::Other,
                big: false,
            };
            (vec![field], false)
        }
    }
}

fn kind_of(kind: &TypeStr) -> Kind {
    let size = kind.size_field() as usize;
    match (kind.type_char(), size) {
        (TypeChar::Bool, _) => Kind::Bool,
        (TypeChar::Int, 1 | 2 | 4 | 8) => Kind::Int(size),
        (TypeChar::Uint, 1 | 2 | 4 | 8) => Kind::Uint(size),
        (TypeChar::Float, 2 | 4 | 8) => Kind::Float(size),
        (TypeChar::UnicodeStr, _) => Kind::Text(size),
        (TypeChar::ByteStr, _) => Kind::Bytes(size),
        (TypeChar::DateTime | TypeChar::TimeDelta, 8) => Kind::Time,
        _ => Kind::Other,
    }
}

impl Field {
    /// The first bytes of `from` in little-endian order.
    fn word<const N: usize>(&self, from: &[u8]) -> [u8; N] {
        let mut word = [0; N];
        word.copy_from_slice(&from[..N]);
        if self.big {
            word.reverse();
        }
        word
    }

    fn whole(&self, from: &[u8]) -> i128 {
        match self.kind {
            Kind::Bool => i128::from(from[0] != 0),
            Kind::Int(1) => i8::from_le_bytes(self.word(from)).into(),
            Kind::Int(2) => i16::from_le_bytes(self.word(from)).into(),
            Kind::Int(4) => i32::from_le_bytes(self.word(from)).into(),
            Kind::Uint(1) => from[0].into(),
            Kind::Uint(2) => u16::from_le_bytes(self.word(from)).into(),
            Kind::Uint(4) => u32::from_le_bytes(self.word(from)).into(),
            Kind::Uint(_) => u64::from_le_bytes(self.word(from)).into(),
            _ => i64::from_le_bytes(self.word(from)).into(),
        }
    }

    fn number(&self, from: &[u8]) -> f64 {
        match self.kind {
            Kind::Float(2) => half(u16::from_le_bytes(self.word(from))),
            Kind::Float(4) => f32::from_le_bytes(self.word(from)).into(),
            Kind::Float(_) => f64::from_le_bytes(self.word(from)),
            _ => self.whole(from) as f64,
        }
    }

    /// What tells a trial apart; none where it is missing.
    fn id(&self, from: &[u8]) -> Option<Id> {
        let text = |text: String| Id::text(text.trim_end_matches('\0').trim());
        match self.kind {
            Kind::Float(_) => Id::number(self.number(from)),
            Kind::Text(length) => {
                let code = |c: &[u8]| char::from_u32(u32::from_le_bytes(self.word(c)));
                let chars = from[..4 * length].chunks_exact(4);
                text(
                    chars
                        .map(|c| code(c).unwrap_or(char::REPLACEMENT_CHARACTER))
                        .collect(),
                )
            }
            Kind::Bytes(length) => text(String::from_utf8_lossy(&from[..length]).into_owned()),
            // The least number stands for "not a time".
            Kind::Time if self.whole(from) == i128::from(i64::MIN) => None,
            _ => Some(Id::Whole(self.whole(from))),
        }
    }
}

/// A number of 16 bits: 1 sign, 5 exponent, 10 fraction.
pub(super) fn half(bits: u16) -> f64 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 0x1f), f64::from(bits & 0x3ff));
    sign * match exponent {
        0 => fraction * 2f64.powi(-24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (1.0 + fraction / 1024.0) * 2f64.powi(exponent - 15),
    }
}

#[cfg(test)]
mod tests {
    use super::half;

    #[test]
    fn numbers_of_16_bits_are_read() {
        for (bits, value) in [
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x3555, 0.333_251_953_125),
            (0x7bff, 65504.0),
            (0x0001, 2f64.powi(-24)),
            (0x7c00, f64::INFINITY),
            (0x0000, 0.0),
        ] {
            assert_eq!(half(bits), value);
        }
        assert!(half(0x7e00).is_nan());
    }
}
