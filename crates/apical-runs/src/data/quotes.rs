//! Watch the quotes of a text table on its way to the reader, which would take rows behind a stray one for text.

use std::io::{self, Read};

/// What is wrong with a quote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// It is never closed, or only so far on that it cannot be meant.
    Open { line: u64 },
    /// Text follows the quote that closes it.
    Closed { line: u64, at: u64 },
    /// A row longer than any table has.
    Long { line: u64 },
}

/// A cell longer than this is no note.
const CELL: usize = 1 << 20;
/// No row of numbers is longer.
const ROW: usize = 1 << 28;

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Row,
    Cell,
    Plain,
    Quoted,
    Closing,
    Closed,
    Comment,
}

/// Passes bytes on, and fails where a quote is not what it seems.
pub(super) struct Quotes<R> {
    inner: R,
    delimiter: u8,
    comments: bool,
    state: State,
    line: u64,
    opened: u64,
    /// Bytes of the present row and of the present quoted cell.
    row: usize,
    cell: usize,
    ended: bool,
    pub fault: Option<Fault>,
}

impl<R: Read> Quotes<R> {
    /// Bytes from the line `line` of a file on.
    pub fn new(inner: R, delimiter: u8, comments: bool, line: u64) -> Self {
        Self {
            inner,
            delimiter,
            comments,
            state: State::Row,
            line,
            opened: 0,
            row: 0,
            cell: 0,
            ended: false,
            fault: None,
        }
    }

    fn see(&mut self, byte: u8) -> Option<Fault> {
        use State::*;
        let end = matches!(byte, b'\n' | b'\r');
        self.row += 1;
        self.state = match self.state {
            Quoted => {
                self.cell += 1;
                match byte {
                    b'"' => Closing,
                    _ if self.cell > CELL => return Some(Fault::Open { line: self.opened }),
                    _ => Quoted,
                }
            }
            Closing if byte == b'"' => Quoted,
            Comment if !end => Comment,
            _ if end => {
                self.row = 0;
                Row
            }
            Row if byte == b'#' && self.comments => Comment,
            _ if byte == self.delimiter => Cell,
            Row | Cell if byte == b'"' => {
                (self.opened, self.cell) = (self.line, 0);
                Quoted
            }
            Closing | Closed if byte == b' ' || byte == b'\t' => Closed,
            Closing | Closed => {
                return Some(Fault::Closed {
                    line: self.opened,
                    at: self.line,
                });
            }
            Row | Cell | Plain | Comment => Plain,
        };
        self.line += u64::from(byte == b'\n');
        (self.row > ROW).then_some(Fault::Long { line: self.line })
    }

    fn fail(&mut self, fault: Fault) -> io::Error {
        self.fault = Some(fault);
        io::Error::other("a quote")
    }
}

impl<R: Read> Read for Quotes<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut read = self.inner.read(buffer)?;
        if read == 0 && !self.ended && !buffer.is_empty() {
            self.ended = true;
            if self.state == State::Quoted {
                return Err(self.fail(Fault::Open { line: self.opened }));
            }
            // With its end the last line is counted as the others are.
            if self.state != State::Row {
                buffer[0] = b'\n';
                read = 1;
            }
        }
        for byte in &buffer[..read] {
            if let Some(fault) = self.see(*byte) {
                return Err(self.fail(fault));
            }
        }
        Ok(read)
    }
}
