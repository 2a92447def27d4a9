//! Data files: sequences as CSV, NPY and NPZ, digits as IDX, plain and gzipped.

use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};

use apical::task::TaskSpec;
use apical_runs::data;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::Target;
use super::text::refused;
use crate::draw::Draw;
use crate::{drive, mutate};

/// A format of sequences.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Text with commas.
    Csv,
    /// One array.
    Npy,
    /// Several, zipped.
    Npz,
}

/// Files of sequences, read with settings that the first byte of an input chooses.
pub struct Sequences {
    format: Format,
    path: PathBuf,
}

const CSV: [&str; 4] = [
    "x,y,trial,mask\n0.5,1,a,1\n-1e-3,0,a,0.5\n2,2,b,1\n0.25,1,b,0\n",
    "trial,x,y,mask\r\n1,0,0,1\r\n1,1,1,1\r\n2,0,1,1\r\n\r\n2,1,0,1\r\n",
    "\"x\",\"y\",\"trial\",\"mask\"\n\"1\",\"0\",\"a b\",\"1\"\n2,1,\"a \"\"b\"\"\",1\n",
    "\u{feff}x,y,trial,mask\n1,0,1,1\n3,1,1,1\n",
];

impl Sequences {
    /// Files of this format, in `folder`.
    pub fn new(format: Format, folder: &Path) -> Self {
        let extension = match format {
            Format::Csv => "csv",
            Format::Npy => "npy",
            Format::Npz => "npz",
        };
        Self {
            format,
            path: folder.join("data").with_extension(extension),
        }
    }

    /// Settings number `choice`: with and without trials, weights and classes.
    fn settings(&self, choice: u8) -> Value {
        let names = match self.format {
            Format::Npy => ["0", "1", "2", "3"],
            _ => ["x", "y", "trial", "mask"],
        };
        let mut spec = json!({"kind": "data", "file": self.path, "inputs": [names[0]], "targets": [names[1]], "test": 0.5});
        if choice & 1 > 0 {
            spec["trial"] = names[2].into();
        }
        if choice & 2 > 0 {
            spec["mask"] = names[3].into();
        }
        if choice & 4 > 0 {
            spec["classes"] = 3.into();
        }
        if choice & 8 > 0 {
            spec["inputs"] = json!([names[0], names[1]]);
        }
        spec
    }
}

/// An NPY file of numbers from 0 to 2.
fn npy(draw: &mut Draw, shape: &[usize]) -> Vec<u8> {
    let kinds = ["<f8", "<f4", "|u1", "|b1", ">f8", "<i4", "<i8", "<u2"];
    let kind = draw.choice(&kinds);
    let count: usize = shape.iter().product();
    let shape: Vec<String> = shape.iter().map(|side| format!("{side},")).collect();
    let order = if draw.one_in(3) { "True" } else { "False" };
    let mut header = format!(
        "{{'descr': '{kind}', 'fortran_order': {order}, 'shape': ({}), }}",
        shape.concat()
    );
    while !(header.len() + 11).is_multiple_of(64) {
        header.push(' ');
    }
    header.push('\n');
    if draw.one_in(4) {
        header = mutate::text(draw, &header, &kinds.map(String::from));
    }
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.bytes());
    for k in 0..count {
        let value = [0u8, 1, 1, 2][(k / 2) % 4];
        match kind {
            "<f8" => bytes.extend(f64::from(value).to_le_bytes()),
            ">f8" => bytes.extend(f64::from(value).to_be_bytes()),
            "<f4" => bytes.extend(f32::from(value).to_le_bytes()),
            "<i4" => bytes.extend(i32::from(value).to_le_bytes()),
            "<i8" => bytes.extend(i64::from(value).to_le_bytes()),
            "<u2" => bytes.extend(u16::from(value).to_le_bytes()),
            _ => bytes.push(value.min(1)),
        }
    }
    bytes
}

/// An NPZ file; arrays that are damaged have the right check sums of the archive.
fn npz(draw: &mut Draw) -> std::io::Result<Vec<u8>> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    let shape = if draw.one_in(6) { vec![6, 2] } else { vec![6] };
    for name in ["x", "y", "trial", "mask", "other"] {
        let method = match draw.one_in(2) {
            true => CompressionMethod::Deflated,
            false => CompressionMethod::Stored,
        };
        let options = SimpleFileOptions::default().compression_method(method);
        archive.start_file(format!("{name}.npy"), options)?;
        let mut array = npy(draw, &shape);
        if draw.one_in(12) {
            array = mutate::bytes(draw, &array);
        }
        archive.write_all(&array)?;
    }
    Ok(archive.finish()?.into_inner())
}

impl Target for Sequences {
    fn input(&self, draw: &mut Draw) -> Vec<u8> {
        let choice = draw.byte();
        let words = ["x", "y", "trial", "mask", "NaN", "1.5", "-0"].map(String::from);
        let file = match self.format {
            Format::Csv => {
                let csv = draw.choice(&CSV);
                mutate::text(draw, csv, &words).into_bytes()
            }
            Format::Npy => {
                let shape = draw.choice(&[&[6, 4][..], &[6], &[1, 4], &[0, 4], &[2, 2, 2]]);
                npy(draw, shape)
            }
            Format::Npz => npz(draw).unwrap_or_default(),
        };
        let file = match self.format != Format::Csv && draw.one_in(2) {
            true => mutate::bytes(draw, &file),
            false => file,
        };
        [vec![choice], file].concat()
    }

    fn run(&self, input: &[u8]) -> bool {
        let Some((choice, file)) = input.split_first() else {
            return false;
        };
        std::fs::write(&self.path, file).is_ok() && load(self.settings(*choice))
    }
}

fn load(settings: Value) -> bool {
    let Ok(mut task) = serde_json::from_value::<TaskSpec>(settings) else {
        return false;
    };
    match data::load(&mut task, None) {
        Ok(()) => drive::task(&task, 1) | drive::task(&task, 2),
        Err(error) => refused(&error),
    }
}

/// Images and their labels.
pub struct Digits {
    zipped: bool,
    images: PathBuf,
    labels: PathBuf,
}

impl Digits {
    /// Files in `folder`, gzipped or not.
    pub fn new(zipped: bool, folder: &Path) -> Self {
        let end = if zipped { ".gz" } else { "" };
        Self {
            zipped,
            images: folder.join(format!("images{end}")),
            labels: folder.join(format!("labels{end}")),
        }
    }

    fn file(&self, draw: &mut Draw, header: &[u32], body: &[u8]) -> Vec<u8> {
        let mut bytes: Vec<u8> = header.iter().flat_map(|n| n.to_be_bytes()).collect();
        bytes.extend(body);
        let place = draw.below(3);
        if place == 0 {
            // Most of the file are pixels, of which any will do.
            let start = mutate::bytes(draw, &bytes[..4 * header.len()]);
            bytes.splice(..4 * header.len(), start);
        }
        if self.zipped {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
            let zipped = encoder.write_all(&bytes).and_then(|()| encoder.finish());
            bytes = zipped.unwrap_or_default();
        }
        match place {
            1 => mutate::bytes(draw, &bytes),
            _ => bytes,
        }
    }
}

impl Target for Digits {
    fn input(&self, draw: &mut Draw) -> Vec<u8> {
        const COUNT: u32 = 5;
        let pixels = vec![7; 784 * COUNT as usize];
        let images = self.file(draw, &[0x0803, COUNT, 28, 28], &pixels);
        let labels = self.file(draw, &[0x0801, COUNT], &[3, 1, 4, 1, 5]);
        let length = (images.len() as u32).to_le_bytes();
        [length.to_vec(), images, labels].concat()
    }

    fn run(&self, input: &[u8]) -> bool {
        let Some((length, files)) = input.split_first_chunk() else {
            return false;
        };
        let Some((images, labels)) = files.split_at_checked(u32::from_le_bytes(*length) as usize)
        else {
            return false;
        };
        let written = std::fs::write(&self.images, images)
            .and_then(|()| std::fs::write(&self.labels, labels));
        written.is_ok()
            && load(
                json!({"kind": "sequential_mnist", "images": self.images, "labels": self.labels}),
            )
    }
}
