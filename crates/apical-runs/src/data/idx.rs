//! IDX files, the format of MNIST, plain or gzipped.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use apical::task::{Digits, SequentialMnistSpec};
use flate2::read::GzDecoder;

use super::{broken, config, find};
use crate::{Error, Result};

const IMAGES: u32 = 0x0803;
const LABELS: u32 = 0x0801;

const HINT: &str = "Download train-images-idx3-ubyte.gz, train-labels-idx1-ubyte.gz, t10k-images-idx3-ubyte.gz and \
    t10k-labels-idx1-ubyte.gz from https://storage.googleapis.com/cvdf-datasets/mnist/ into the folder mnist, or \
    set the paths of the files you have.";

/// The digits `spec` names, split into those to train on and those for tests.
pub(super) fn digits(
    place: &str,
    spec: &mut SequentialMnistSpec,
    folder: Option<&Path>,
) -> Result<Digits> {
    let field = |name: &str| format!("{place}.{name}");
    let tests = match (&mut spec.test_images, &mut spec.test_labels) {
        (Some(images), Some(labels)) => Some((images, labels)),
        (None, None) => None,
        (images, _) => {
            let (given, missing) = match images {
                Some(_) => ("test_images", "test_labels"),
                None => ("test_labels", "test_images"),
            };
            let what = format!("missing, expected a file, as {given} is given");
            let mend = "Give both, or neither to hold out the last images.";
            return Err(config(field(missing), what, mend));
        }
    };
    let names = ["images", "labels"].map(field);
    let (mut pixels, mut labels) = pair(names, [&mut spec.images, &mut spec.labels], folder)?;
    let count = labels.len();
    let fallback = if tests.is_some() {
        count
    } else {
        count * 4 / 5
    };
    let train = *spec.train.get_or_insert(fallback);
    if train > count {
        let what = format!(
            "got {train}, expected at most {count}, the images of {}",
            spec.images
        );
        return Err(config(field("train"), what, "Lower it or leave it out."));
    }
    let test = match tests {
        None => train..count,
        Some((images, test_labels)) => {
            let names = ["test_images", "test_labels"].map(field);
            let (more_pixels, more) = pair(names, [images, test_labels], folder)?;
            pixels.extend_from_slice(&more_pixels);
            labels.extend_from_slice(&more);
            count..labels.len()
        }
    };
    Ok(Digits::new(pixels, labels, 0..train, test)?)
}

/// Pixels and labels of two files that belong together.
fn pair(
    fields: [String; 2],
    names: [&mut String; 2],
    folder: Option<&Path>,
) -> Result<(Vec<u8>, Vec<u8>)> {
    let [images, labels] = names;
    let image_path = locate(&fields[0], images, folder)?;
    let label_path = locate(&fields[1], labels, folder)?;
    let (shape, pixels) = read(&image_path, IMAGES)?;
    if shape[1..] != [28, 28] {
        let what = format!(
            "images of {} x {} pixels, expected 28 x 28",
            shape[1], shape[2]
        );
        return Err(broken(
            &image_path,
            what,
            "Use the files of MNIST or of a data set like it.",
        ));
    }
    let (shape_of_labels, values) = read(&label_path, LABELS)?;
    if shape_of_labels[0] != shape[0] {
        let (got, expected) = (shape_of_labels[0], shape[0]);
        let what = format!(
            "{got} labels, expected {expected}, one for each image of {}",
            image_path.display()
        );
        return Err(broken(
            &label_path,
            what,
            "Take both files from the same set.",
        ));
    }
    if let Some(index) = values.iter().position(|label| *label > 9) {
        let what = format!(
            "label {}: got {}, expected a digit from 0 to 9",
            index + 1,
            values[index]
        );
        return Err(broken(
            &label_path,
            what,
            "Check that these are the labels of digits.",
        ));
    }
    Ok((pixels, values))
}

/// Finds a file, with or without `.gz`, and keeps the name it was found by.
fn locate(field: &str, name: &mut String, folder: Option<&Path>) -> Result<PathBuf> {
    let other = match name.strip_suffix(".gz") {
        Some(plain) => plain.to_string(),
        None => format!("{name}.gz"),
    };
    let found = find(name, folder).or_else(|| find(&other, folder));
    let Some(path) = found.filter(|_| !name.is_empty()) else {
        return Err(config(
            field,
            format!("`{name}` is not there, expected an IDX file"),
            HINT,
        ));
    };
    if let Some(text) = path.to_str() {
        *name = text.into();
    }
    Ok(path)
}

/// The sizes and bytes of an IDX file of unsigned bytes with this magic number, plain or gzipped.
fn read(path: &Path, magic: u32) -> Result<(Vec<usize>, Vec<u8>)> {
    let mut packed = BufReader::new(
        File::open(path).map_err(|error| Error::io(path, "read this file", &error))?,
    );
    let begin = packed.fill_buf();
    let begin = begin.map_err(|error| Error::io(path, "read this file", &error))?;
    let gzipped = begin.starts_with(&[0x1f, 0x8b]);
    let mut source: Box<dyn Read> = match gzipped {
        true => Box::new(GzDecoder::new(packed)),
        false => Box::new(packed),
    };
    let fail = |error: std::io::Error| match gzipped {
        true => {
            let what = format!("damaged gzip file ({error})");
            broken(path, what, "Download it again.")
        }
        false => Error::io(path, "read this file", &error),
    };
    let dimensions = (magic & 0xff) as usize;
    let header = 4 + 4 * dimensions;
    let mut bytes = Vec::new();
    let limit = &mut source;
    limit
        .take(header as u64)
        .read_to_end(&mut bytes)
        .map_err(fail)?;
    let word = |k: usize| {
        let part = bytes.get(4 * k..4 * k + 4)?;
        Some(u32::from_be_bytes([part[0], part[1], part[2], part[3]]))
    };
    let kind = if magic == IMAGES { "images" } else { "labels" };
    let got = word(0);
    if got != Some(magic) {
        let got = got.map_or("fewer than 4 bytes".into(), |got| format!("{got:#010x}"));
        let hint = match word(0) {
            Some(IMAGES) => "This file holds images: are the two paths swapped?",
            Some(LABELS) => "This file holds labels: are the two paths swapped?",
            _ => "Check the path, or download the file again.",
        };
        let what = format!("magic number {got}, expected {magic:#010x} (IDX {kind})");
        return Err(broken(path, what, hint));
    }
    let shape: Option<Vec<usize>> = (1..=dimensions).map(|k| Some(word(k)? as usize)).collect();
    let size = |shape: &Vec<usize>| {
        let mut sizes = shape.iter();
        sizes.try_fold(1usize, |product, n| product.checked_mul(*n))
    };
    let expected = shape.as_ref().and_then(size);
    // What is packed may be of any size: no more of it is taken than the header says.
    let most = expected.map_or(0, |body| body as u64 + 1);
    let mut body = Vec::new();
    source.take(most).read_to_end(&mut body).map_err(fail)?;
    if expected != Some(body.len()) {
        let total = expected.and_then(|body| body.checked_add(header));
        let expected = total.map_or_else(|| format!("at least {header}"), |n| n.to_string());
        let got = bytes.len() + body.len();
        let (what, more) = match most > 0 && body.len() as u64 == most {
            true => ("IDX file with more than its header says", " or more"),
            false => ("truncated IDX file", ""),
        };
        let what = format!("{what}: got {got} bytes{more}, expected {expected}");
        return Err(broken(path, what, "Download it again."));
    }
    Ok((shape.unwrap_or_default(), body))
}
