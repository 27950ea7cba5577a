//! The terminal of the person who types: raw while a session lasts, its size, and the way out.

use std::io::{self, IsTerminal};

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};

/// Whether somebody sits at both ends.
pub(super) fn is_there() -> bool {
    io::stdin().is_terminal() && io::stdout().is_terminal()
}

/// Whether somebody can be asked.
pub(super) fn has_input() -> bool {
    io::stdin().is_terminal()
}

/// Rows and columns; `None`: there is no terminal.
pub(super) fn size() -> Option<(u16, u16)> {
    let size = tcgetwinsize(io::stdout()).ok()?;
    Some((size.ws_row, size.ws_col)).filter(|size| *size != (0, 0))
}

/// As long as this lives, every key goes through as it is.
pub(super) struct Raw(Termios);

impl Raw {
    /// `None`: stdin is no terminal.
    pub(super) fn begin() -> Option<Self> {
        let before = tcgetattr(io::stdin()).ok()?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(io::stdin(), OptionalActions::Now, &raw).ok()?;
        Some(Self(before))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.0);
    }
}

/// Finds the way out among what is typed: at the beginning of a line, the escape character and a full stop. Twice the
/// character is the character.
#[derive(Debug)]
pub(super) struct Escape {
    key: u8,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Within,
    LineBegins,
    KeyTyped,
}

impl Escape {
    pub(super) fn new(key: u8) -> Self {
        Self { key, state: State::LineBegins }
    }

    /// What goes through; `None`: the person wants to leave.
    pub(super) fn typed(&mut self, bytes: &[u8]) -> Option<Vec<u8>> {
        let mut through = Vec::with_capacity(bytes.len());
        for &byte in bytes {
            match self.state {
                State::LineBegins if byte == self.key => {
                    self.state = State::KeyTyped;
                    continue;
                }
                State::KeyTyped if byte == b'.' => return None,
                State::KeyTyped if byte == self.key => {}
                State::KeyTyped => through.push(self.key),
                State::LineBegins | State::Within => {}
            }
            through.push(byte);
            self.state = if matches!(byte, b'\r' | b'\n') { State::LineBegins } else { State::Within };
        }
        Some(through)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_out() {
        let check = |typed: &[&str], expected: Option<&str>| {
            let mut escape = Escape::new(b'~');
            let mut through = Some(Vec::new());
            for part in typed {
                let more = escape.typed(part.as_bytes());
                through = through.zip(more).map(|(all, more)| [all, more].concat());
            }
            assert_eq!(through.as_deref(), expected.map(str::as_bytes), "{typed:?}");
        };
        check(&["ls ~.\r"], Some("ls ~.\r"));
        check(&["~."], None);
        check(&["ls\r~."], None);
        check(&["ls\r", "~", "."], None);
        check(&["~~."], Some("~."));
        check(&["~", "/bin/x\n"], Some("~/bin/x\n"));
        check(&["~x~."], Some("~x~."));
    }
}
