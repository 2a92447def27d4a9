//! Changes of bytes and of text, small ones first: what is still understood in part reaches furthest.

use std::ops::Range;

use crate::draw::Draw;

/// Numbers that are edges of something and quick to work with.
const NUMBERS: &[&str] = &[
    "0", "1", "2", "3", "4", "5", "7", "8", "12", "-1", "0.5", "1e-3", "1.0", "0.0", "-0.0",
    "0.999", "1e308", "-1e308", "1e-320", "nan", "inf", "-inf", "17", "1e400", "0x1F", "+3", "1_0",
];
/// Numbers of which some are slow to work with and all are too large for something.
const LARGE: &[&str] = &[
    "100",
    "300",
    "1024",
    "65536",
    "1000000",
    "1048576",
    "4294967296",
    "1e18",
    "9223372036854775807",
    "-9223372036854775808",
    "18446744073709551615",
];
/// Values and pieces of syntax.
const PIECES: &[&str] = &[
    "true",
    "false",
    "\"\"",
    "[]",
    "{}",
    "[1, 2]",
    "[0.5]",
    "\"step\"",
    "{ every = 3 }",
    "=",
    ".",
    ",",
    "\"",
    "[",
    "]",
    "{",
    "}",
    "[[",
    "#",
    "\n",
    "\\u0000",
    "\u{1b}[31m",
    "é",
    "\u{202e}",
    "2020-01-01",
    "'''",
    "null",
    ":",
];
/// One input in so many uses a large number: most of them are refused, the rest slow.
const SELDOM: usize = 60;

/// Changes of one input: seldom more than two, for most of them are refused.
fn changes(draw: &mut Draw) -> usize {
    [1, 1, 1, 2, 2, 4][draw.below(6)]
}

/// Changes text in a few places; `words` are names that may stand somewhere.
pub fn text(draw: &mut Draw, text: &str, words: &[String]) -> String {
    let mut text = text.to_string();
    for _ in 0..changes(draw) {
        change_text(draw, &mut text, words);
    }
    text
}

fn change_text(draw: &mut Draw, text: &mut String, words: &[String]) {
    match draw.below(20) {
        0..=8 => {
            let number = number(draw);
            replace_one(draw, text, is_number, number);
        }
        9..=12 if !words.is_empty() => {
            let word = words[draw.below(words.len())].clone();
            // Words in quotation marks are values, others keys: those are seldom known by another name.
            let is_key_too = draw.one_in(4);
            let is_kind = |before: &str, token: &str| {
                is_word(before, token) && (is_key_too || before.ends_with('"'))
            };
            replace_one(draw, text, is_kind, &word);
        }
        13 => {
            let piece = draw.choice(PIECES);
            let is_kind =
                |before: &str, token: &str| is_word(before, token) || is_number(before, token);
            replace_one(draw, text, is_kind, piece);
        }
        14 | 15 => {
            let lines = lines(text);
            let from = lines[draw.below(lines.len())].clone();
            match draw.one_in(2) {
                true => text.replace_range(from, ""),
                false => {
                    let to = lines[draw.below(lines.len())].start;
                    let line = text[from].to_string();
                    text.insert_str(to, &line);
                }
            }
        }
        16 => {
            let piece = draw.choice(PIECES);
            text.insert_str(boundary(draw, text), piece);
        }
        17 => text.truncate(boundary(draw, text)),
        18 => {
            let (a, b) = (boundary(draw, text), boundary(draw, text));
            text.replace_range(a.min(b)..a.max(b), "");
        }
        _ => {
            let mut raw = std::mem::take(text).into_bytes();
            change_bytes(draw, &mut raw);
            *text = String::from_utf8_lossy(&raw).into_owned();
        }
    }
}

/// A number as text.
pub fn number(draw: &mut Draw) -> &'static str {
    match draw.one_in(SELDOM) {
        true => draw.choice(LARGE),
        false => draw.choice(NUMBERS),
    }
}

fn is_number(_: &str, token: &str) -> bool {
    token.starts_with(|c: char| c.is_ascii_digit())
}

fn is_word(_: &str, token: &str) -> bool {
    token.starts_with(|c: char| c.is_ascii_alphabetic())
}

/// Puts `new` in the place of one of the tokens that are of a kind, by what stands before them and by themselves.
fn replace_one(
    draw: &mut Draw,
    text: &mut String,
    is_kind: impl Fn(&str, &str) -> bool,
    new: &str,
) {
    let in_token = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
    let mut tokens: Vec<Range<usize>> = Vec::new();
    for (at, c) in text.char_indices().filter(|(_, c)| in_token(*c)) {
        match tokens.last_mut() {
            Some(last) if last.end == at => last.end = at + c.len_utf8(),
            _ => tokens.push(at..at + c.len_utf8()),
        }
    }
    tokens.retain(|token| is_kind(&text[..token.start], &text[token.clone()]));
    if !tokens.is_empty() {
        let token = tokens[draw.below(tokens.len())].clone();
        text.replace_range(token, new);
    }
}

fn lines(text: &str) -> Vec<Range<usize>> {
    let mut begin = 0;
    let lines = text.split_inclusive('\n').map(|line| {
        begin += line.len();
        begin - line.len()..begin
    });
    let mut lines: Vec<_> = lines.collect();
    if lines.is_empty() {
        lines.push(0..0);
    }
    lines
}

fn boundary(draw: &mut Draw, text: &str) -> usize {
    text.floor_char_boundary(draw.cut(text.len()))
}

/// Changes bytes in a few places.
pub fn bytes(draw: &mut Draw, bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..changes(draw) {
        change_bytes(draw, &mut bytes);
    }
    bytes
}

fn change_bytes(draw: &mut Draw, bytes: &mut Vec<u8>) {
    if bytes.is_empty() {
        bytes.push(draw.byte());
        return;
    }
    let at = draw.below(bytes.len());
    match draw.below(9) {
        0 => bytes[at] ^= 1 << draw.below(8),
        1 => bytes[at] = draw.byte(),
        2 => bytes.insert(at, draw.byte()),
        3 => {
            bytes.remove(at);
        }
        4 => bytes.truncate(at),
        5 => {
            let end = (at + 1 + draw.below(16)).min(bytes.len());
            let part = bytes[at..end].to_vec();
            let to = draw.cut(bytes.len());
            bytes.splice(to..to, part);
        }
        6 => {
            let end = (at + 1 + draw.below(16)).min(bytes.len());
            bytes.drain(at..end);
        }
        7 => {
            // A number of one of the common widths, in either order of bytes.
            let width = [2, 4, 8][draw.below(3)];
            let (word, big) = (draw.word(), draw.one_in(2));
            let little = word.to_le_bytes();
            let mut part = little[..width].to_vec();
            if big {
                part.reverse();
            }
            for (to, from) in bytes[at..].iter_mut().zip(part) {
                *to = from;
            }
        }
        _ => {
            let digits: Vec<usize> = (0..bytes.len())
                .filter(|k| bytes[*k].is_ascii_digit())
                .collect();
            if !digits.is_empty() {
                let place = digits[draw.below(digits.len())];
                bytes.splice(place..=place, number(draw).bytes());
            }
        }
    }
}
