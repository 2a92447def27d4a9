//! Whole numbers on the command line, as they are written by hand: 1000, 10_000, 1e3.

/// Reads a whole number.
pub fn whole(text: &str) -> Result<u64, String> {
    let wrong = || "expected a whole number, for example 1000, 10_000 or 1e3".to_string();
    let (number, exponent) = match text.split_once(['e', 'E']) {
        Some((number, exponent)) => (number, exponent.parse::<i32>().map_err(|_| wrong())?),
        None => (text, 0),
    };
    if number.starts_with('-') {
        return Err("expected a whole number that is not negative".into());
    }
    let number = number.strip_prefix('+').unwrap_or(number);
    let (before, after) = number.split_once('.').unwrap_or((number, ""));
    let is_grouped = |digits: &str| {
        let mut groups = digits.split('_');
        groups.all(|group| !group.is_empty() && group.bytes().all(|c| c.is_ascii_digit()))
    };
    if !is_grouped(before) || number.contains('.') && !is_grouped(after) {
        return Err(wrong());
    }
    let digits = |text: &str| text.replace('_', "");
    let (mut all, after) = (digits(before), digits(after));
    all.push_str(&after);
    let all = all.trim_start_matches('0');
    let zeros = i64::from(exponent) - after.len() as i64;
    let large = || format!("expected a whole number of at most {}", u64::MAX);
    let all = match zeros {
        _ if all.is_empty() => "0".to_string(),
        0..=20 => format!("{all}{}", "0".repeat(zeros as usize)),
        21.. => return Err(large()),
        _ => {
            // Tenths and less must all be zero.
            let kept = all.trim_end_matches('0');
            let cut = zeros.unsigned_abs() as usize;
            if cut > all.len() - kept.len() {
                return Err("not a whole number; expected one, for example 1000 or 1e3".into());
            }
            all[..all.len() - cut].to_string()
        }
    };
    all.parse().map_err(|_| large())
}

/// Reads the number of threads.
pub fn threads(text: &str) -> Result<usize, String> {
    usize::try_from(whole(text)?).map_err(|error| error.to_string())
}

/// Reads a seed, which settings keep as a signed number.
pub fn seed(text: &str) -> Result<u64, String> {
    let most = i64::MAX as u64;
    match whole(text)? {
        seed if seed <= most => Ok(seed),
        seed => Err(format!("{seed} is not in 0..={most}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_are_read_as_written_by_hand() {
        for (text, number) in [
            ("0", 0),
            ("1000", 1000),
            ("10_000", 10_000),
            ("1e3", 1000),
            ("1E+3", 1000),
            ("1.5e3", 1500),
            ("1_0.0_0", 10),
            ("2500e-2", 25),
            ("0e99", 0),
            ("0.000e0", 0),
            ("9007199254740993", 9_007_199_254_740_993),
            ("18446744073709551615", u64::MAX),
            ("1e19", 10_000_000_000_000_000_000),
        ] {
            assert_eq!(whole(text), Ok(number), "{text}");
        }
    }

    #[test]
    fn what_is_no_whole_number_is_refused_by_name() {
        for (text, part) in [
            ("1.5", "not a whole number"),
            ("1.5e0", "not a whole number"),
            ("1e-1", "not a whole number"),
            ("-3", "not negative"),
            ("1e20", "at most"),
            ("1e999999999", "at most"),
            ("1e99999999999", "expected a whole number"),
            ("18446744073709551616", "at most"),
            ("many", "expected a whole number"),
            ("", "expected a whole number"),
            ("_1", "expected a whole number"),
            ("1__0", "expected a whole number"),
            ("1.", "expected a whole number"),
            ("1e", "expected a whole number"),
            ("0x10", "expected a whole number"),
            ("nan", "expected a whole number"),
            ("１", "expected a whole number"),
        ] {
            let said = whole(text).unwrap_err();
            assert!(said.contains(part), "{text}: {said}");
        }
        assert!(seed("1e19").unwrap_err().contains("not in 0..="));
    }
}
