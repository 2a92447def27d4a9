//! Turn drawings into pixels.

use std::io::Cursor;

use kuva::RasterBackend;
use kuva::render::render::Scene;

/// Pixels per unit of the drawing.
const SCALE: f64 = 2.0;
/// Larger pictures are drawn with fewer pixels per unit, to stay within memory.
const MOST_PIXELS: f64 = 1e8;

/// A picture with three bytes per pixel.
struct Picture {
    width: usize,
    height: usize,
    bytes: Vec<u8>,
}

/// `scene` as PNG, with `turned` laid over it a quarter turn to the left.
///
/// The drawing library smears text that it turns itself.
pub fn png(scene: &Scene, turned: Option<&Scene>) -> Result<Vec<u8>, String> {
    let scale = SCALE.min((MOST_PIXELS / (scene.width * scene.height)).sqrt());
    let mut picture = draw(scene, scale)?;
    if let Some(turned) = turned {
        overlay(&mut picture, &draw(turned, scale)?);
    }
    encode(&picture).map_err(|e| e.to_string())
}

fn draw(scene: &Scene, scale: f64) -> Result<Picture, String> {
    let backend = RasterBackend::new().with_scale(scale as f32);
    decode(&backend.render_scene(scene)?).map_err(|e| e.to_string())
}

fn decode(bytes: &[u8]) -> Result<Picture, png::DecodingError> {
    let mut decoder = png::Decoder::new(Cursor::new(bytes));
    decoder.set_transformations(png::Transformations::normalize_to_color8());
    let mut reader = decoder.read_info()?;
    let mut data = vec![0; reader.output_buffer_size().unwrap_or(0)];
    let info = reader.next_frame(&mut data)?;
    let samples = info.color_type.samples();
    let bytes = data[..info.buffer_size()]
        .chunks_exact(samples)
        .flat_map(|pixel| [0, 1, 2].map(|i| pixel[if samples < 3 { 0 } else { i }]))
        .collect();
    Ok(Picture {
        width: info.width as usize,
        height: info.height as usize,
        bytes,
    })
}

/// Keeps the darker of two pixels.
fn overlay(picture: &mut Picture, turned: &Picture) {
    for y in 0..picture.height.min(turned.width) {
        for x in 0..picture.width.min(turned.height) {
            let from = 3 * (x * turned.width + turned.width - 1 - y);
            let to = 3 * (y * picture.width + x);
            for channel in 0..3 {
                let other = turned.bytes[from + channel];
                let pixel = &mut picture.bytes[to + channel];
                *pixel = other.min(*pixel);
            }
        }
    }
}

fn encode(picture: &Picture) -> Result<Vec<u8>, png::EncodingError> {
    let mut bytes = Vec::new();
    let (width, height) = (picture.width as u32, picture.height as u32);
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&picture.bytes)?;
    writer.finish()?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_overlay_is_turned_to_the_left() {
        let white = |width, height| Picture {
            width,
            height,
            bytes: vec![255; 3 * width * height],
        };
        let (mut picture, mut turned) = (white(2, 3), white(3, 2));
        // Lower left corner lying down, lower right corner once turned to the left.
        turned.bytes[3 * 3] = 0;
        overlay(&mut picture, &turned);
        let dark: Vec<usize> = (0..18).filter(|i| picture.bytes[*i] == 0).collect();
        assert_eq!(dark, [3 * 5]);
        let again = decode(&encode(&picture).unwrap()).unwrap();
        assert_eq!(again.bytes, picture.bytes);
    }
}
