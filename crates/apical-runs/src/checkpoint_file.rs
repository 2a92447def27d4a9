//! Keep a learner's whole state on disk, as a safetensors file that notices damage.
//!
//! The arrays are the tensors of the file, so any safetensors reader opens it; texts,
//! format version and checksum stand in its metadata. The checksum is taken over the
//! entire file with its own eight digits read as zeros. The same snapshot always gives
//! the same bytes.

use std::fs;
use std::path::Path;

use apical::snapshot::{Array, Snapshot};
use safetensors::{Dtype, SafeTensors};
use serde_json::{Map, Value};

use crate::error::ANOTHER_COPY;
use crate::{Error, Result, files};

const METADATA: &str = "__metadata__";
const VERSION: &str = "1";
const VERSION_KEY: &str = "apical.checkpoint";
const CHECKSUM_KEY: &str = "apical.checksum";
const TEXT_PREFIX: &str = "text.";
/// What the metadata looks like in front of the digits. A quotation mark inside a text
/// or a name is escaped, so this can stand nowhere else.
const CHECKSUM_MARK: &[u8] = br#""apical.checksum":"crc32:"#;
const NO_DIGITS: &[u8; 8] = b"00000000";
/// Bytes of the number in front of the header.
const LENGTH: usize = 8;
/// The safetensors format allows no longer header.
const MAX_HEADER: usize = 100_000_000;

/// Writes `snapshot` to `path` in one step.
///
/// # Errors
/// [`Error::CheckpointUnstorable`] for a snapshot the format has no room for, and those
/// of [`files::write_atomic`].
pub fn write(path: impl AsRef<Path>, snapshot: &Snapshot) -> Result<()> {
    let path = path.as_ref();
    files::write_atomic(path, &encode(path, snapshot)?)
}

/// Reads the snapshot at `path`.
///
/// # Errors
/// [`Error::Io`] if the file cannot be read, and one of [`Error::NotACheckpoint`],
/// [`Error::CheckpointTruncated`], [`Error::CheckpointVersion`] and
/// [`Error::CheckpointDamaged`] if any of its bytes is not as it was written.
pub fn read(path: impl AsRef<Path>) -> Result<Snapshot> {
    let path = path.as_ref();
    let bytes = fs::read(path).map_err(|e| Error::io(path, "read this checkpoint", &e))?;
    decode(path, &bytes)
}

/// Reads what a seed left, which can be trained anew.
///
/// # Errors
/// As [`read`], with the command that removes the file.
pub fn read_kept(path: &Path) -> Result<Snapshot> {
    read(path).map_err(|error| anew(path, error))
}

/// The error of a file that can be done without: its seed is then trained anew.
pub(crate) fn anew(path: &Path, error: Error) -> Error {
    let path = files::quoted(&path.to_string_lossy());
    error.of_checkpoint(&format!("Remove it to train this seed anew: rm {path}"))
}

/// The bytes of the file of a snapshot; `path` names it in errors.
///
/// # Errors
/// [`Error::CheckpointUnstorable`] for a snapshot the format has no room for.
pub fn encode(path: &Path, snapshot: &Snapshot) -> Result<Vec<u8>> {
    let unstorable = |what: &str, mend| Error::CheckpointUnstorable {
        path: path.to_path_buf(),
        what: what.to_owned(),
        mend,
    };
    if snapshot.arrays.contains_key(METADATA) {
        return Err(unstorable(
            "an array is named `__metadata__`, which the format keeps for itself",
            "Rename the array",
        ));
    }
    let metadata: Map<String, Value> = [(VERSION_KEY, VERSION), (CHECKSUM_KEY, "crc32:00000000")]
        .into_iter()
        .map(|(name, text)| (name.to_owned(), Value::from(text)))
        .chain(
            snapshot
                .texts
                .iter()
                .map(|(name, text)| (format!("{TEXT_PREFIX}{name}"), Value::from(text.as_str()))),
        )
        .collect();
    // Eight-byte numbers first, so that every array starts at a multiple of its width.
    let mut arrays: Vec<_> = snapshot.arrays.iter().collect();
    arrays.sort_by_key(|(_, array)| matches!(array, Array::F32(_)));

    let mut header = format!("{{\"{METADATA}\":{}", Value::Object(metadata));
    let mut data = Vec::new();
    for (name, array) in arrays {
        let start = data.len();
        let dtype = append(&mut data, array);
        let entry = format!(
            ",{}:{{\"dtype\":\"{dtype}\",\"shape\":[{}],\"data_offsets\":[{start},{}]}}",
            Value::from(name.as_str()),
            array.len(),
            data.len()
        );
        header.push_str(&entry);
    }
    header.push('}');
    let padding = header.len().next_multiple_of(LENGTH) - header.len();
    header.extend(std::iter::repeat_n(' ', padding));
    if header.len() > MAX_HEADER {
        return Err(unstorable(
            &format!(
                "got {} bytes of names and texts, expected at most {MAX_HEADER}",
                header.len()
            ),
            "Store fewer or shorter texts",
        ));
    }

    let mut bytes = Vec::with_capacity(LENGTH + header.len() + data.len());
    bytes.extend((header.len() as u64).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(data);
    if let Some(at) = checksum_digits(&bytes[..LENGTH + header.len()]) {
        let sum = checksum(&bytes, at);
        bytes[at..at + NO_DIGITS.len()].copy_from_slice(sum.as_bytes());
    }
    Ok(bytes)
}

fn append(data: &mut Vec<u8>, array: &Array) -> &'static str {
    match array {
        Array::F32(v) => {
            data.extend(v.iter().flat_map(|x| x.to_le_bytes()));
            "F32"
        }
        Array::F64(v) => {
            data.extend(v.iter().flat_map(|x| x.to_le_bytes()));
            "F64"
        }
        Array::U64(v) => {
            data.extend(v.iter().flat_map(|x| x.to_le_bytes()));
            "U64"
        }
    }
}

/// The snapshot in the bytes of a file; `path` names it in errors.
///
/// # Errors
/// As [`read`], if any of the bytes is not as it was written.
pub fn decode(path: &Path, bytes: &[u8]) -> Result<Snapshot> {
    let foreign = |what: &str| Error::NotACheckpoint {
        path: path.to_path_buf(),
        what: what.to_owned(),
        mend: "Check the path: checkpoints lie in the folder of their run.".into(),
    };
    let truncated = |expected: String| Error::CheckpointTruncated {
        path: path.to_path_buf(),
        got: bytes.len() as u64,
        expected,
        mend: ANOTHER_COPY.into(),
    };
    let damaged = |what: String| Error::CheckpointDamaged {
        path: path.to_path_buf(),
        what,
        mend: ANOTHER_COPY.into(),
    };

    let Some((length, rest)) = bytes.split_first_chunk::<LENGTH>() else {
        return Err(truncated(format!("at least {LENGTH}")));
    };
    if rest.first().is_some_and(|first| *first != b'{') {
        return Err(foreign("no safetensors header"));
    }
    let header_length = usize::try_from(u64::from_le_bytes(*length)).unwrap_or(usize::MAX);
    if header_length > MAX_HEADER {
        return Err(foreign("no safetensors header"));
    }
    let start = LENGTH + header_length;
    let Some(header) = rest.get(..header_length) else {
        return Err(truncated(format!("at least {start}")));
    };
    let header: Value = serde_json::from_slice(header)
        .map_err(|e| damaged(format!("its header is not readable: {e}")))?;
    let metadata = &header[METADATA];
    let Some(version) = metadata[VERSION_KEY].as_str() else {
        return Err(foreign("the metadata says nothing of Apical"));
    };
    if version != VERSION {
        return Err(Error::CheckpointVersion {
            path: path.to_path_buf(),
            got: version.to_owned(),
            expected: VERSION,
        });
    }
    let end = start.saturating_add(data_length(&header));
    if bytes.len() < end {
        return Err(truncated(end.to_string()));
    }
    let expected = checksum_digits(&bytes[..start]).map(|at| checksum(bytes, at));
    let found = metadata[CHECKSUM_KEY]
        .as_str()
        .and_then(|text| text.strip_prefix("crc32:"));
    if expected.is_none() || expected.as_deref() != found {
        return Err(damaged(format!(
            "its checksum is {}, expected {}",
            expected.as_deref().unwrap_or("nowhere to be found"),
            found.unwrap_or("eight digits in the metadata")
        )));
    }

    let tensors = SafeTensors::deserialize(bytes)
        .map_err(|e| damaged(format!("it is not valid safetensors: {e}")))?;
    let mut snapshot = Snapshot::default();
    for (name, tensor) in tensors.iter() {
        let data = tensor.data();
        let array = match tensor.dtype() {
            Dtype::F32 => Array::F32(numbers(data, f32::from_le_bytes)),
            Dtype::F64 => Array::F64(numbers(data, f64::from_le_bytes)),
            Dtype::U64 => Array::U64(numbers(data, u64::from_le_bytes)),
            other => {
                return Err(damaged(format!(
                    "the array `{name}` holds {other:?} numbers, expected F32, F64 or U64"
                )));
            }
        };
        snapshot.arrays.insert(name.to_owned(), array);
    }
    for (key, value) in metadata.as_object().into_iter().flatten() {
        if let (Some(name), Some(text)) = (key.strip_prefix(TEXT_PREFIX), value.as_str()) {
            snapshot.texts.insert(name.to_owned(), text.to_owned());
        }
    }
    Ok(snapshot)
}

fn numbers<const N: usize, T>(data: &[u8], convert: fn([u8; N]) -> T) -> Vec<T> {
    data.as_chunks().0.iter().map(|b| convert(*b)).collect()
}

/// Where the last array ends, counted from the end of the header.
fn data_length(header: &Value) -> usize {
    let ends = header
        .as_object()
        .into_iter()
        .flatten()
        .filter_map(|(_, entry)| entry["data_offsets"][1].as_u64());
    usize::try_from(ends.max().unwrap_or(0)).unwrap_or(usize::MAX)
}

/// Position of the digits of the checksum.
fn checksum_digits(header: &[u8]) -> Option<usize> {
    let at = header
        .windows(CHECKSUM_MARK.len())
        .position(|bytes| bytes == CHECKSUM_MARK)?
        + CHECKSUM_MARK.len();
    (at + NO_DIGITS.len() <= header.len()).then_some(at)
}

/// CRC-32 finds every damage of up to 32 bits in a row with certainty.
fn checksum(bytes: &[u8], digits: usize) -> String {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&bytes[..digits]);
    hasher.update(NO_DIGITS);
    hasher.update(&bytes[digits + NO_DIGITS.len()..]);
    format!("{:08x}", hasher.finalize())
}
