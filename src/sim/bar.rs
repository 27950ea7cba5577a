//! What is seen while a simulation runs.

use std::{
    io::{self, IsTerminal as _, Write as _},
    time::Instant,
};

use super::report::{Sample, grouped};

/// Widest bar, in characters.
const WIDTH: u64 = 40;

/// A line that is written over again and again, where somebody looks.
pub(super) struct Bar {
    shown: bool,
    begun: Instant,
}

impl Bar {
    pub(super) fn new() -> Self {
        Self { shown: io::stderr().is_terminal(), begun: Instant::now() }
    }

    pub(super) fn show(&self, words: &str) {
        if self.shown {
            let _ = write!(io::stderr(), "\r\x1b[K{words}, {:.0} s", self.begun.elapsed().as_secs_f64());
        }
    }

    pub(super) fn progress(&self, sample: &Sample, wanted: u64) {
        let full = usize::try_from(sample.running * WIDTH / wanted.max(1)).unwrap_or(0);
        let bar: String = (0..WIDTH as usize).map(|at| if at < full { '#' } else { '.' }).collect();
        let (placed, running) = (grouped(sample.placed as f64), grouped(sample.running as f64));
        self.show(&format!("[{bar}] {placed} placed, {running} of {} running", grouped(wanted as f64)));
    }

    pub(super) fn end(&self) {
        if self.shown {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}
