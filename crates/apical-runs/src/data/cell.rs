//! Read a cell of a text table as a number, or say why it is none.

use apical::shown::escaped;

/// Why a cell is no number.
pub(super) struct Fault {
    /// What stands there, and what it seems to be.
    pub got: String,
    /// What should.
    pub expected: &'static str,
    /// What to do about it, as a full sentence.
    pub mend: String,
}

/// The number in a trimmed cell; words for a missing value are NaN, `true` and `false` are 1 and 0.
pub(super) fn number(text: &str) -> Result<f64, Fault> {
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() => Ok(value),
        Ok(_)
            if text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c))
                && text.contains(|c: char| c.is_ascii_digit()) =>
        {
            Err(Fault {
                got: quoted(text),
                expected: "at most 1.8e308, the largest number of 64 bits",
                mend: "Scale the column.".into(),
            })
        }
        Ok(value) => Ok(value),
        Err(_) if text.eq_ignore_ascii_case("true") => Ok(1.0),
        Err(_) if text.eq_ignore_ascii_case("false") => Ok(0.0),
        Err(_) if is_missing(text) => Ok(f64::NAN),
        Err(_) => Err(fault(text)),
    }
}

/// Whether a cell says that there is no value.
pub(super) fn is_missing(text: &str) -> bool {
    const WORDS: [&str; 13] = [
        "", "na", "n/a", "#n/a", "<na>", "nan", "-nan", "nat", "null", "none", "?", ".", "-",
    ];
    text.len() <= 5 && WORDS.contains(&text.to_ascii_lowercase().as_str())
}

/// A piece of a file as a message repeats it.
pub(super) fn quoted(text: &str) -> String {
    const MOST: usize = 60;
    let short: String = text.chars().take(MOST).collect();
    let dots = if short.len() < text.len() { "…" } else { "" };
    format!("`{}{dots}`", escaped(&short))
}

fn fault(text: &str) -> Fault {
    let shown = quoted(text);
    let is_number = |text: &str| text.parse::<f64>().is_ok_and(f64::is_finite);
    let told = |what: &str, expected: &'static str, mend: String| Fault {
        got: format!("{shown}, {what}"),
        expected,
        mend,
    };
    let ascii: String = text
        .chars()
        .map(|c| match c {
            '\u{2212}' | '\u{2012}'..='\u{2014}' | '\u{fe63}' | '\u{ff0d}' => '-',
            c => c,
        })
        .collect();
    if ascii != text && is_number(&ascii) {
        let code = text.chars().find(|c| !c.is_ascii()).map_or(0, u32::from);
        return told(
            &format!("whose minus is the character U+{code:04X}"),
            "the minus - of a keyboard (U+002D)",
            "Replace the character in the whole file.".into(),
        );
    }
    if text.contains(['d', 'D']) && is_number(&text.replace(['d', 'D'], "e")) {
        return told(
            "an exponent of Fortran",
            "E for the exponent",
            format!(
                "Write {}: replace D by E.",
                quoted(&text.replace(['d', 'D'], "E"))
            ),
        );
    }
    if text.contains([
        ',', ' ', '\'', '_', '\u{a0}', '\u{202f}', '\u{2009}', '\u{2019}', '.',
    ]) && let Some((what, plain)) = grouped(text)
    {
        let mark = text
            .chars()
            .find(|c| !c.is_ascii_digit() && !"+-".contains(*c));
        let pandas = match (what, mark) {
            (THOUSANDS, Some(mark)) => format!("thousands=\"{mark}\""),
            _ => "decimal=\",\"".into(),
        };
        return told(
            what,
            "digits with a point for decimals and no other mark",
            format!("Write {plain}; pandas reads such cells by read_csv(.., {pandas})."),
        );
    }
    let clock = |c: char| c.is_ascii_digit() || "-:/T.Z+ ".contains(c);
    let parts = text.matches([':', '/']).count() + text.matches('-').count();
    if parts >= 1 && text.starts_with(|c: char| c.is_ascii_digit()) && text.chars().all(clock) {
        return told(
            "a date or time",
            "a finite number",
            "Turn it into a number, such as seconds since the start.".into(),
        );
    }
    let begin = text.trim_start_matches(|c: char| !c.is_ascii_digit() && !"+-.".contains(c));
    let end = begin.trim_end_matches(|c: char| !c.is_ascii_digit());
    let one_side = begin.len() == text.len() || begin.len() == end.len();
    if one_side && !end.is_empty() && end.len() < text.len() && is_number(end) && text.len() < 40 {
        return told(
            "a number with text beside it",
            "a number alone",
            "Leave units and signs out of the cells.".into(),
        );
    }
    Fault {
        got: shown,
        expected: "a finite number",
        mend: "Fill the gap or remove the row.".into(),
    }
}

const THOUSANDS: &str = "with separators of thousands";
const DECIMAL: &str = "with a decimal comma";
const EITHER: &str = "with a comma that may mark thousands or decimals";

/// What separates the digits of a number, and the number without.
fn grouped(text: &str) -> Option<(&'static str, String)> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if !digits.starts_with(|c: char| c.is_ascii_digit() || c == ',') {
        return None;
    }
    let commas = text.matches(',').count();
    let points = text.matches('.').count();
    let gaps = [' ', '\'', '_', '\u{a0}', '\u{202f}', '\u{2009}', '\u{2019}'];
    let bare: String = text.chars().filter(|c| !gaps.contains(c)).collect();
    let (what, plain) = match (commas, points) {
        (1, 0) => {
            let (whole, decimals) = bare.split_once(',')?;
            let whole = whole.trim_start_matches(['+', '-']);
            let group = decimals.len() == 3 && (1..=3).contains(&whole.len()) && whole != "0";
            let plain = bare.replace(',', ".");
            match (group, bare.len() < text.len()) {
                (true, false) => (EITHER, format!("{plain} or {}", bare.replace(',', ""))),
                _ => (DECIMAL, plain),
            }
        }
        // The last of the two marks the decimals.
        (1, 1..) if bare.rfind(',') > bare.rfind('.') => {
            (DECIMAL, bare.replace('.', "").replace(',', "."))
        }
        (0, 2..) => (THOUSANDS, bare.replace('.', "")),
        (0, _) if bare.len() < text.len() => (THOUSANDS, bare),
        (0, _) => return None,
        (_, 0 | 1) => (THOUSANDS, bare.replace(',', "")),
        _ => return None,
    };
    let first = plain.split(' ').next()?;
    first
        .parse::<f64>()
        .is_ok_and(f64::is_finite)
        .then_some((what, plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_and_the_cause_of_others_is_named() {
        for (text, value) in [
            ("1.5e-3", 1.5e-3),
            ("+2", 2.0),
            (".5", 0.5),
            ("True", 1.0),
            ("FALSE", 0.0),
        ] {
            assert_eq!(number(text).ok(), Some(value), "{text}");
        }
        for text in ["", "NA", "n/a", "NaN", "null", "None", "-", "?"] {
            assert!(number(text).is_ok_and(f64::is_nan), "{text}");
        }
        for (text, cause, mend) in [
            ("0,33", DECIMAL, "Write 0.33;"),
            ("1.234,5", DECIMAL, "Write 1234.5;"),
            ("-1 234,5", DECIMAL, "Write -1234.5;"),
            ("0,125", DECIMAL, "Write 0.125;"),
            ("1,234", EITHER, "Write 1.234 or 1234;"),
            ("1,234.5", THOUSANDS, "Write 1234.5;"),
            ("1,234,567", THOUSANDS, "Write 1234567;"),
            ("1.234.567", THOUSANDS, "Write 1234567;"),
            ("1 234.5", THOUSANDS, "Write 1234.5;"),
            ("1\u{a0}234", THOUSANDS, "Write 1234;"),
            ("1'234.5", THOUSANDS, "Write 1234.5;"),
            ("\u{2212}0.5", "U+2212", "Replace the character"),
            ("1.5D-03", "Fortran", "Write `1.5E-03`"),
            ("2024-01-02", "a date or time", "seconds"),
            ("12:30:01.5", "a date or time", "seconds"),
            ("5%", "text beside it", "Leave units"),
            ("12 mV", "text beside it", "Leave units"),
            ("1e400", "`1e400`", "Scale"),
            ("two", "`two`", "Fill the gap"),
            ("a\u{1b}[31mb", "`a\\u{1b}[31mb`", "Fill the gap"),
        ] {
            let fault = number(text).err().unwrap();
            assert!(fault.got.contains(cause), "{text}: {}", fault.got);
            assert!(
                fault.mend.starts_with(mend) || fault.mend.contains(mend),
                "{text}: {}",
                fault.mend
            );
        }
    }
}
