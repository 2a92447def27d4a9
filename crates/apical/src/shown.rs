//! How texts of others appear in messages: control characters escaped, long ones cut.

use std::borrow::Cow;

/// Most characters of a name or value that a message repeats.
const ECHO: usize = 200;
/// Most characters of a sentence, the words to choose from included.
const SENTENCE: usize = 2_000;

/// A name or value as a message repeats it.
pub fn shown(text: &str) -> Cow<'_, str> {
    within(text, ECHO)
}

/// A sentence in which names and values stand.
pub fn sentence(text: &str) -> Cow<'_, str> {
    within(text, SENTENCE)
}

/// The part of `text` around the byte `at`, as a message repeats it.
pub fn around(text: &str, at: usize) -> String {
    let at = text.floor_char_boundary(at.min(text.len()));
    let (before, after) = text.split_at(at);
    let count = before.chars().count();
    let left: String = before
        .chars()
        .skip(count.saturating_sub(ECHO / 2))
        .collect();
    let right: String = after.chars().take(ECHO / 2).collect();
    let dots = |cut: bool| if cut { "…" } else { "" };
    let (head, tail) = (left.len() < before.len(), right.len() < after.len());
    format!("{}{}{}", dots(head), escaped(&(left + &right)), dots(tail))
}

/// `text` with an escape in place of each character that moves the cursor, changes the direction of writing or cannot be seen.
pub fn escaped(text: &str) -> Cow<'_, str> {
    if !text.contains(is_hidden) {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match is_hidden(c) {
            true => plain.extend(c.escape_default()),
            false => plain.push(c),
        }
    }
    Cow::Owned(plain)
}

fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200b}' | '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
        || matches!(c, '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
}

/// Escaped, with what lies in the middle left out where there are more than `most` characters.
fn within(text: &str, most: usize) -> Cow<'_, str> {
    // No more characters than bytes: short texts are not counted.
    if text.len() <= most {
        return escaped(text);
    }
    let count = text.chars().count();
    if count <= most {
        return escaped(text);
    }
    let tail = most / 4;
    let head: String = text.chars().take(most - tail).collect();
    let tail: String = text.chars().skip(count - tail).collect();
    Cow::Owned(format!("{}…{}", escaped(&head), escaped(&tail)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_moves_the_cursor_is_escaped_and_letters_of_all_writing_stay() {
        for (text, plain) in [
            ("a\x1b[31mred", r"a\u{1b}[31mred"),
            ("a\nb\tc\r\u{7}", r"a\nb\tc\r\u{7}"),
            ("a\u{202e}b\u{2066}\u{feff}", r"a\u{202e}b\u{2066}\u{feff}"),
            ("\u{9b}31m", r"\u{9b}31m"),
            ("größe µV 電圧 🙂 C:\\x", "größe µV 電圧 🙂 C:\\x"),
        ] {
            assert_eq!(escaped(text), plain);
            assert_eq!(escaped(&escaped(text)), plain);
        }
    }

    #[test]
    fn long_texts_keep_both_ends_or_the_place_in_question() {
        let long = format!("start{}end", "ä".repeat(10_000));
        let text = shown(&long);
        assert_eq!(text.chars().count(), ECHO + 1);
        assert!(text.starts_with("start") && text.ends_with("end") && text.contains('…'));
        assert_eq!(shown(&"é".repeat(ECHO)), "é".repeat(ECHO));
        let part = around(&format!("{}here{}", "ä".repeat(999), "ö".repeat(999)), 1999);
        assert!(part.contains("ähereö") || part.contains("here"), "{part}");
        assert_eq!(part.chars().count(), ECHO + 2);
        assert_eq!(around("steps = = 3", 8), "steps = = 3");
        assert_eq!(around("x\u{1b}", 99), r"x\u{1b}");
    }
}
