//! Names of signals, as job files write them.

use nix::sys::signal::Signal;

use crate::actors::ports::DriverError;

pub const KILL: i32 = Signal::SIGKILL as i32;

/// Reads `SIGTERM`, `sigterm`, `TERM` or `15`.
pub fn parse(text: &str) -> Result<i32, DriverError> {
    if let Ok(number) = text.parse::<i32>()
        && Signal::try_from(number).is_ok()
    {
        return Ok(number);
    }
    let upper = text.to_uppercase();
    let full = if upper.starts_with("SIG") { upper } else { format!("SIG{upper}") };
    full.parse::<Signal>()
        .map(|signal| signal as i32)
        .map_err(|_| DriverError::Fatal(format!("`{text}` is not a signal (expected a name like SIGTERM)")))
}

/// `SIGTERM` for 15.
pub fn name(number: i32) -> String {
    Signal::try_from(number).map_or_else(|_| number.to_string(), |signal| signal.as_str().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_all_spellings() {
        for text in ["SIGTERM", "sigterm", "TERM", "15"] {
            assert_eq!(parse(text).unwrap(), 15, "{text}");
        }
        assert_eq!(name(9), "SIGKILL");
        for text in ["", "SIGNOPE", "-1", "0", "99"] {
            assert!(matches!(parse(text), Err(DriverError::Fatal(_))), "{text}");
        }
    }
}
