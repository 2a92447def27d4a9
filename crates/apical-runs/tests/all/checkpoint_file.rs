//! Checkpoints come back bit for bit, and no damage goes unnoticed.

use std::fs;
use std::path::PathBuf;

use apical::snapshot::{Array, Snapshot};
use apical_runs::Error;
use apical_runs::checkpoint_file::{read, write};

fn sample() -> Snapshot {
    let mut snapshot = Snapshot::default();
    let arrays = [
        (
            "rule.odd",
            Array::F32(vec![f32::from_bits(0x7fc0_1234), -0.0, 1.5]),
        ),
        (
            "rule.credit.A",
            Array::F64(vec![f64::from_bits(0xfff8_0000_dead_beef), 0.1]),
        ),
        ("rng \"x\" ü", Array::U64(vec![u64::MAX, 7])),
        ("empty", Array::F64(vec![])),
    ];
    for (name, array) in arrays {
        snapshot.arrays.insert(name.into(), array);
    }
    // A text that imitates the metadata must not be taken for it.
    let text = "a = 1\n\"apical.checksum\":\"crc32:00000000\"\u{1}é";
    snapshot.texts.insert("config".into(), text.into());
    snapshot.texts.insert(String::new(), String::new());
    snapshot
}

fn bits(snapshot: &Snapshot) -> Vec<(String, &'static str, Vec<u64>)> {
    let each = |array: &Array| match array {
        Array::F32(v) => v.iter().map(|x| u64::from(x.to_bits())).collect(),
        Array::F64(v) => v.iter().map(|x| x.to_bits()).collect(),
        Array::U64(v) => v.clone(),
    };
    let arrays = snapshot.arrays.iter();
    arrays
        .map(|(n, a)| (n.clone(), a.kind(), each(a)))
        .collect()
}

fn written() -> (tempfile::TempDir, PathBuf, Vec<u8>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("last.safetensors");
    write(&path, &sample()).unwrap();
    let bytes = fs::read(&path).unwrap();
    (folder, path, bytes)
}

#[test]
fn snapshots_come_back_bit_for_bit() {
    let (_folder, path, bytes) = written();
    let restored = read(&path).unwrap();
    assert_eq!(bits(&restored), bits(&sample()));
    assert_eq!(restored.texts, sample().texts);
    write(&path, &restored).unwrap();
    assert_eq!(fs::read(&path).unwrap(), bytes, "same state, same bytes");
    write(&path, &Snapshot::default()).unwrap();
    assert_eq!(read(&path).unwrap(), Snapshot::default());
}

#[test]
fn other_readers_of_the_format_open_the_file() {
    let (_folder, _path, bytes) = written();
    let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let tensor = tensors.tensor("rule.credit.A").unwrap();
    assert_eq!(tensor.dtype(), safetensors::Dtype::F64);
    assert_eq!(tensor.shape(), [2]);
    assert_eq!(tensor.data()[8..], 0.1_f64.to_le_bytes());
    let (_, metadata) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
    let texts = metadata.metadata().as_ref().unwrap();
    assert_eq!(texts["text.config"], sample().texts["config"]);
}

#[test]
fn every_flipped_byte_is_an_error() {
    let (_folder, path, bytes) = written();
    for at in 0..bytes.len() {
        for mask in [0x01, 0x20, 0x80, 0xff] {
            let mut flipped = bytes.clone();
            flipped[at] ^= mask;
            fs::write(&path, &flipped).unwrap();
            assert!(read(&path).is_err(), "byte {at} with mask {mask:#x}");
        }
    }
}

#[test]
fn every_truncation_is_an_error() {
    let (_folder, path, bytes) = written();
    for length in 0..bytes.len() {
        fs::write(&path, &bytes[..length]).unwrap();
        let error = read(&path).unwrap_err();
        assert!(
            matches!(error, Error::CheckpointTruncated { got, .. } if got == length as u64),
            "{length}: {error}"
        );
    }
    let longer = [bytes.as_slice(), b"x"].concat();
    fs::write(&path, longer).unwrap();
    assert!(matches!(read(&path), Err(Error::CheckpointDamaged { .. })));
}

#[test]
fn every_error_names_the_file_and_the_mend() {
    let (folder, path, bytes) = written();
    let message = |content: &[u8]| {
        fs::write(&path, content).unwrap();
        read(&path).unwrap_err().to_string()
    };
    let mut flipped = bytes.clone();
    *flipped.last_mut().unwrap() ^= 4;
    let newer =
        String::from_utf8_lossy(&bytes[8..]).replace("checkpoint\":\"1\"", "checkpoint\":\"2\"");
    let newer = [&bytes[..8], newer.as_bytes()].concat();
    let other = b"\x02\0\0\0\0\0\0\0{}";
    for (text, words, mend) in [
        (message(&flipped), "checksum is", "earlier checkpoint"),
        (
            message(&bytes[..bytes.len() - 1]),
            "truncated",
            "Copy the file again",
        ),
        (
            message(&newer),
            "format version \"2\", expected \"1\"",
            "version of Apical",
        ),
        (
            message(b"loss,seed\n0.5,1\n"),
            "not an Apical checkpoint",
            "Check the path",
        ),
        (message(other), "says nothing of Apical", "Check the path"),
    ] {
        assert!(text.contains("last.safetensors"), "{text}");
        assert!(text.contains(words) && text.contains(mend), "{text}");
    }
    let missing = read(folder.path().join("none.safetensors")).unwrap_err();
    assert!(
        missing.to_string().contains("cannot read this checkpoint"),
        "{missing}"
    );
}

#[test]
fn a_name_the_format_reserves_is_refused_before_writing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("last.safetensors");
    let mut snapshot = Snapshot::default();
    snapshot
        .arrays
        .insert("__metadata__".into(), Array::U64(vec![1]));
    assert!(matches!(
        write(&path, &snapshot),
        Err(Error::CheckpointUnstorable { .. })
    ));
    assert!(!path.exists());
}
