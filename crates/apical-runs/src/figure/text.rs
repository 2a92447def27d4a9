//! Measure and break lines of text, so that nothing overlaps.

/// Widths of the printable ASCII characters of DejaVu Sans, in thousandths of the size.
/// It is among the widest fonts in use, so text set in another one has room as well.
const WIDTHS: [u16; 95] = [
    318, 401, 460, 838, 636, 950, 780, 275, 390, 390, 500, 838, 318, 361, 318, 337, 636, 636, 636,
    636, 636, 636, 636, 636, 636, 636, 337, 337, 838, 838, 838, 531, 1000, 684, 686, 698, 770, 632,
    575, 775, 752, 295, 295, 656, 557, 863, 748, 787, 603, 787, 695, 635, 611, 732, 684, 989, 685,
    611, 685, 390, 337, 390, 838, 500, 500, 613, 635, 550, 635, 615, 352, 635, 634, 278, 278, 579,
    278, 974, 634, 612, 635, 635, 411, 521, 392, 634, 592, 818, 592, 592, 525, 636, 337, 636, 838,
];

/// Width of `text` at a font size.
pub fn width(text: &str, size: u32) -> f64 {
    let thousandths: u64 = text.chars().map(|c| u64::from(thousandths(c))).sum();
    thousandths as f64 / 1000.0 * f64::from(size)
}

fn thousandths(c: char) -> u16 {
    match c {
        ' '..='~' => WIDTHS[c as usize - 32],
        '⁰'..='⁹' | '⁻' | '¹' | '²' | '³' => 438,
        // Latin, Greek and Cyrillic letters are narrower than this, signs hardly wider.
        '\u{a0}'..='\u{52f}' | '−' | '–' => 838,
        _ => 1000,
    }
}

/// Breaks `text` between words so that each line fits `room`, as far as words allow.
pub fn wrap(text: &str, size: u32, room: f64) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(|c: char| c.is_whitespace() || c.is_control()) {
        if word.is_empty() {
            continue;
        }
        match lines.last_mut() {
            Some(line) if width(line, size) + width(" ", size) + width(word, size) <= room => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// `text` on one line, without characters that XML forbids.
pub fn line(text: &str) -> String {
    wrap(text, 1, f64::INFINITY).concat()
}

/// A whole number as an exponent.
pub fn superscript(number: i32) -> String {
    const DIGITS: [char; 10] = ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'];
    let digit = |c: char| c.to_digit(10).map_or('⁻', |d| DIGITS[d as usize]);
    number.to_string().chars().map(digit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_fit_and_lose_no_word() {
        let text = "Held-out accuracy  of\nthe frozen control";
        let lines = wrap(text, 10, 90.0);
        assert!(lines.len() > 1 && lines.iter().all(|l| width(l, 10) <= 90.0));
        assert_eq!(lines.join(" "), "Held-out accuracy of the frozen control");
        assert_eq!(wrap("incompressible", 10, 1.0), ["incompressible"]);
        assert!(wrap("", 10, 90.0).is_empty());
    }

    #[test]
    fn exponents_are_raised() {
        assert_eq!(superscript(-12), "⁻¹²");
    }
}
