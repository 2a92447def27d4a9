//! Turn drawings into pixels.

use std::io::Cursor;

use kuva::RasterBackend;
use kuva::render::render::Scene;

/// Pixels per unit of the drawing.
const SCALE: f64 = 2.0;
/// Larger pictures are drawn with fewer pixels per unit, to stay within memory.
const MOST_PIXELS: f64 = 1e8;

/// Pixels, four bytes each.
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

/// The pixels of a picture as the drawing library writes it.
fn decode(bytes: &[u8]) -> Result<Picture, png::DecodingError> {
    let mut reader = png::Decoder::new(Cursor::new(bytes)).read_info()?;
    let mut bytes = vec![0; reader.output_buffer_size().unwrap_or(0)];
    let info = reader.next_frame(&mut bytes)?;
    let (width, height) = (info.width as usize, info.height as usize);
    bytes.resize(4 * width * height, 255);
    Ok(Picture {
        width,
        height,
        bytes,
    })
}

/// Keeps the darker of two pixels.
fn overlay(picture: &mut Picture, turned: &Picture) {
    for (x, row) in turned.bytes.chunks_exact(4 * turned.width).enumerate() {
        for (i, pixel) in row.chunks_exact(4).enumerate() {
            let y = turned.width - 1 - i;
            if pixel == [255; 4] || x >= picture.width || y >= picture.height {
                continue;
            }
            let to = 4 * (y * picture.width + x);
            for (below, above) in picture.bytes[to..to + 4].iter_mut().zip(pixel) {
                *below = *above.min(below);
            }
        }
    }
}

fn encode(picture: &Picture) -> Result<Vec<u8>, png::EncodingError> {
    let mut bytes = Vec::new();
    let (width, height) = (picture.width as u32, picture.height as u32);
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(png::ColorType::Rgba);
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
            bytes: vec![255; 4 * width * height],
        };
        let (mut picture, mut turned) = (white(2, 3), white(3, 2));
        // The lower left corner becomes the lower right one.
        turned.bytes[4 * 3] = 0;
        overlay(&mut picture, &turned);
        let dark: Vec<usize> = (0..24).filter(|i| picture.bytes[*i] == 0).collect();
        assert_eq!(dark, [4 * 5]);
        let again = decode(&encode(&picture).unwrap()).unwrap();
        assert_eq!(again.bytes, picture.bytes);
    }
}
