//! Shows that something runs: [`StatusLine`] is the last line of the terminal while it exists.

use std::io::{self, Write};

/// A line that shows what this program waits for. Dropping this removes the line.
pub struct StatusLine<'a> {
    output: &'a mut dyn Write,
    is_terminal: bool,
    shown: String,
}

impl<'a> StatusLine<'a> {
    /// A line without a text. Without a terminal, only the first text is shown, and it stays.
    pub fn new(output: &'a mut dyn Write, is_terminal: bool) -> Self {
        StatusLine {
            output,
            is_terminal,
            shown: String::new(),
        }
    }

    /// Replaces the text.
    pub fn show(&mut self, text: String) -> io::Result<()> {
        if self.is_terminal && self.shown != text {
            // Without automatic margins, a narrow terminal cuts the line (DEC private mode 7).
            write!(self.output, "\r\x1b[2K\x1b[?7l{text}\x1b[?7h")?;
        } else if self.shown.is_empty() {
            writeln!(self.output, "{text}")?;
        }
        self.shown = text;
        self.output.flush()
    }

    /// Prints a line above this one. The next text of this line comes below it.
    pub fn print(&mut self, line: &str) -> io::Result<()> {
        self.clear()?;
        writeln!(self.output, "{line}")?;
        self.output.flush()
    }

    fn clear(&mut self) -> io::Result<()> {
        if self.is_terminal && !self.shown.is_empty() {
            self.shown.clear();
            write!(self.output, "\r\x1b[2K")?;
        }
        self.output.flush()
    }
}

impl Drop for StatusLine<'_> {
    fn drop(&mut self) {
        // If the output is closed, the line is invisible anyway.
        let _ = self.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(is_terminal: bool) -> String {
        let mut output = Vec::new();
        let mut line = StatusLine::new(&mut output, is_terminal);
        for text in ["1 s", "1 s", "2 s"] {
            line.show(text.to_owned()).unwrap();
        }
        line.print("waiting").unwrap();
        line.show("3 s".to_owned()).unwrap();
        drop(line);
        String::from_utf8(output).unwrap()
    }

    #[test]
    fn terminal_shows_one_line_and_removes_it() {
        let printed = printed(true);
        let visible = printed.replace("\x1b[?7l", "").replace("\x1b[?7h", "");
        let erase = "\r\x1b[2K";
        assert_eq!(
            visible,
            format!("{erase}1 s{erase}2 s{erase}waiting\n{erase}3 s{erase}")
        );
    }

    #[test]
    fn pipe_gets_only_the_first_text() {
        assert_eq!(printed(false), "1 s\nwaiting\n");
    }
}
