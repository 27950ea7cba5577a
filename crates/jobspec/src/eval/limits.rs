//! How much an evaluation may do. A job file of some lines could otherwise ask for all memory there is.

/// Largest value, in bytes when it is written out. A job file itself has at most 1 MiB.
pub(crate) const MAX_WEIGHT: usize = 2 * 1024 * 1024;
/// Lists and maps of a value inside each other.
pub(crate) const MAX_DEPTH: usize = 32;
/// Bytes of all values that are made, and of all that end up in the job.
const ALL_MADE: usize = 16 * 1024 * 1024;
/// Steps, each about as much as looking at a byte: about a second of work.
const ALL_WORK: usize = 64 * 1024 * 1024;

/// What is left.
#[derive(Debug)]
pub(crate) struct Limits {
    made: usize,
    work: usize,
}

/// More than is allowed was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Exceeded {
    pub(crate) message: String,
}

impl Default for Limits {
    fn default() -> Self {
        Self { made: ALL_MADE, work: ALL_WORK }
    }
}

impl Limits {
    /// Nothing more can be worked out.
    pub(crate) fn is_spent(&self) -> bool {
        self.made == 0 || self.work == 0
    }

    /// Before `bytes` are made.
    pub(crate) fn make(&mut self, bytes: usize) -> Result<(), Exceeded> {
        if bytes > MAX_WEIGHT {
            let message = format!("the value would have more than {} MiB", MAX_WEIGHT >> 20);
            return Err(Exceeded { message });
        }
        match self.made.checked_sub(bytes) {
            Some(left) => {
                self.made = left;
                self.work(bytes)
            }
            None => {
                self.made = 0;
                let message = format!("the values of the file would have more than {} MiB", ALL_MADE >> 20);
                Err(Exceeded { message })
            }
        }
    }

    /// Before `steps` are taken.
    pub(crate) fn work(&mut self, steps: usize) -> Result<(), Exceeded> {
        match self.work.checked_sub(steps) {
            Some(left) => {
                self.work = left;
                Ok(())
            }
            None => {
                self.work = 0;
                Err(Exceeded {
                    message: String::from("working out the values of the file takes too many steps"),
                })
            }
        }
    }
}

/// Text that grows up to the largest value.
#[derive(Debug, Default)]
pub(crate) struct Growing(String);

impl Growing {
    pub(crate) fn push(&mut self, text: &str) -> Result<(), Exceeded> {
        if self.0.len() + text.len() > MAX_WEIGHT {
            let message = format!("the text would have more than {} MiB", MAX_WEIGHT >> 20);
            return Err(Exceeded { message });
        }
        self.0.push_str(text);
        Ok(())
    }

    pub(crate) fn finish(self) -> String {
        self.0
    }
}
