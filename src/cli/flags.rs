//! Flags as the Go tools read them: one dash or two, `-flag=value` or `-flag value`, switches also `-flag=false`.
//!
//! Flags are read wherever they stand, also after positional arguments; `--` ends them. A flag that belongs to a
//! command and is not obeyed yet is refused by name, never skipped.

use std::{collections::BTreeMap, time::Duration};

use model::time::parse_duration;

use super::output::Failure;

/// One flag of a command.
#[derive(Debug, Clone, Copy)]
pub(super) struct Flag {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) about: &'static str,
}

/// What a flag takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Nothing, or `=true`, `=false`.
    Switch,
    /// Text; the word stands for it in help texts.
    Text(&'static str),
    /// A whole number, not negative.
    Number,
    /// `30s`, `1h5m`.
    Span,
    /// A value that old command lines give and that means nothing any more.
    Ignored,
    /// A switch that is not obeyed yet.
    AbsentSwitch,
    /// A flag with a value that is not obeyed yet.
    AbsentText,
    /// No flag: says that what follows the first positional argument is not for this program, flags included.
    Rest,
}

pub(super) const fn switch(name: &'static str, about: &'static str) -> Flag {
    Flag { name, kind: Kind::Switch, about }
}

pub(super) const fn text(name: &'static str, word: &'static str, about: &'static str) -> Flag {
    Flag { name, kind: Kind::Text(word), about }
}

pub(super) const fn number(name: &'static str, about: &'static str) -> Flag {
    Flag { name, kind: Kind::Number, about }
}

pub(super) const fn span(name: &'static str, about: &'static str) -> Flag {
    Flag { name, kind: Kind::Span, about }
}

pub(super) const fn ignored(name: &'static str) -> Flag {
    Flag { name, kind: Kind::Ignored, about: "Ignored." }
}

pub(super) const fn absent_switch(name: &'static str) -> Flag {
    Flag { name, kind: Kind::AbsentSwitch, about: "Not available in this release." }
}

pub(super) const fn absent_text(name: &'static str) -> Flag {
    Flag { name, kind: Kind::AbsentText, about: "Not available in this release." }
}

/// For commands that take another command: flags are read before the first positional argument only.
pub(super) const REST: Flag = Flag { name: "", kind: Kind::Rest, about: "" };

/// What stood on the command line.
#[derive(Debug, Default)]
pub(super) struct Flags {
    values: BTreeMap<&'static str, Vec<String>>,
    /// Positional arguments.
    pub(super) args: Vec<String>,
    /// `-h`, `-help` or `--help` was among them.
    pub(super) help: bool,
}

/// The command line was not understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum FlagError {
    #[error("flag provided but not defined: -{0}")]
    Unknown(String),
    #[error("flag needs an argument: -{0}")]
    NoValue(&'static str),
    #[error("invalid value {value:?} for flag -{name}: {reason}")]
    Invalid { name: &'static str, value: String, reason: &'static str },
    #[error("invalid boolean value {value:?} for -{name}: parse error")]
    NotBoolean { name: &'static str, value: String },
    #[error("flag -{0} is not available in this release")]
    Absent(&'static str),
}

impl Flags {
    /// Reads the arguments after the command's name.
    pub(super) fn parse<'a>(
        args: impl IntoIterator<Item = &'a str>,
        known: &[&'static [Flag]],
    ) -> Result<Self, FlagError> {
        let mut flags = Self::default();
        let mut rest = args.into_iter();
        while let Some(arg) = rest.next() {
            if arg == "--" {
                flags.args.extend(rest.by_ref().map(str::to_owned));
                break;
            }
            let Some(name) =
                arg.strip_prefix("--").or_else(|| arg.strip_prefix('-')).filter(|name| !name.is_empty())
            else {
                flags.args.push(arg.to_owned());
                if known.iter().copied().flatten().any(|flag| flag.kind == Kind::Rest) {
                    flags.args.extend(rest.by_ref().map(str::to_owned));
                }
                continue;
            };
            let (name, given) = match name.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (name, None),
            };
            if let Some(flag) = known.iter().copied().flatten().find(|flag| flag.name == name) {
                flags.take(flag, given, &mut rest)?;
            } else if matches!(name, "h" | "help") {
                flags.help = true;
            } else {
                return Err(FlagError::Unknown(name.to_owned()));
            }
        }
        Ok(flags)
    }

    fn take<'a>(
        &mut self,
        flag: &Flag,
        given: Option<&str>,
        rest: &mut impl Iterator<Item = &'a str>,
    ) -> Result<(), FlagError> {
        let name = flag.name;
        let value = match (flag.kind, given) {
            (Kind::Switch | Kind::AbsentSwitch, given) => boolean(name, given.unwrap_or("true"))?.to_string(),
            (_, Some(value)) => value.to_owned(),
            (_, None) => rest.next().ok_or(FlagError::NoValue(name))?.to_owned(),
        };
        let invalid = |reason| FlagError::Invalid { name, value: value.clone(), reason };
        match flag.kind {
            Kind::Switch | Kind::Text(_) | Kind::Rest => {}
            Kind::Number => {
                value.parse::<u64>().map_err(|_| invalid("parse error"))?;
            }
            Kind::Span => {
                parse_duration(&value).ok_or_else(|| invalid("parse error"))?;
            }
            Kind::Ignored => return Ok(()),
            // Switched off is what happens anyway.
            Kind::AbsentSwitch if value == "false" => return Ok(()),
            Kind::AbsentSwitch | Kind::AbsentText => return Err(FlagError::Absent(name)),
        }
        self.values.entry(name).or_default().push(value);
        Ok(())
    }

    /// Whether a switch is on.
    pub(super) fn on(&self, name: &str) -> bool {
        self.text(name) == Some("true")
    }

    /// As if the switch had been given.
    pub(super) fn turn_on(&mut self, name: &'static str) {
        self.values.entry(name).or_default().push(String::from("true"));
    }

    /// The last value given.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.values.get(name)?.last().map(String::as_str)
    }

    /// All values given, in order.
    pub(super) fn all(&self, name: &str) -> &[String] {
        self.values.get(name).map_or(&[], Vec::as_slice)
    }

    pub(super) fn number(&self, name: &str) -> Option<u64> {
        self.text(name)?.parse().ok()
    }

    /// The value of a flag that takes `true` or `false` as a text: left out, it changes nothing.
    pub(super) fn truth(&self, name: &str) -> Result<Option<bool>, Failure> {
        let read = |text: &str| {
            text.parse().map_err(|_| Failure::usage(format!("-{name} is true or false, not {text:?}")))
        };
        self.text(name).map(read).transpose()
    }

    pub(super) fn span(&self, name: &str) -> Option<Duration> {
        parse_duration(self.text(name)?)
    }
}

fn boolean(name: &'static str, value: &str) -> Result<bool, FlagError> {
    match value {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err(FlagError::NotBoolean { name, value: value.to_owned() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLAGS: &[Flag] = &[
        switch("verbose", ""),
        text("task", "name", ""),
        number("n", ""),
        span("wait", ""),
        ignored("vault-token"),
        absent_switch("ui"),
        absent_text("var"),
    ];

    fn parse(args: &[&str]) -> Result<Flags, FlagError> {
        Flags::parse(args.iter().copied(), &[FLAGS])
    }

    #[test]
    fn one_dash_or_two_value_attached_or_not() {
        for args in [
            &["-verbose", "-task", "redis", "-n=5", "-wait", "1m5s", "abc"][..],
            &["--verbose=true", "--task=redis", "--n", "5", "-wait=65s", "--", "abc"],
            &["-verbose=1", "abc", "-task=redis", "-n", "5", "-wait=1m5s"],
            &["-verbose=false", "-verbose", "-task", "x", "-task", "redis", "-n=5", "-wait=65s", "abc"],
        ] {
            let flags = parse(args).unwrap();
            assert!(flags.on("verbose"), "{args:?}");
            assert_eq!(flags.text("task"), Some("redis"), "{args:?}");
            assert_eq!(flags.number("n"), Some(5), "{args:?}");
            assert_eq!(flags.span("wait"), Some(Duration::from_secs(65)), "{args:?}");
            assert_eq!(flags.args, ["abc"], "{args:?}");
        }
    }

    #[test]
    fn switches_can_be_switched_off() {
        assert!(!parse(&["-verbose=false"]).unwrap().on("verbose"));
        assert!(!parse(&[]).unwrap().on("verbose"));
        assert!(parse(&["-ui=false"]).is_ok());
    }

    #[test]
    fn repeated_flags_keep_their_order() {
        assert_eq!(parse(&["-task=a", "-task=b"]).unwrap().all("task"), ["a", "b"]);
    }

    #[test]
    fn a_single_dash_and_what_follows_two_is_positional() {
        assert_eq!(parse(&["-", "--", "-verbose"]).unwrap().args, ["-", "-verbose"]);
    }

    #[test]
    fn a_command_within_keeps_its_flags() {
        let parse = |args: &[&str]| Flags::parse(args.iter().copied(), &[FLAGS, &[REST]]).unwrap();
        let flags = parse(&["-task", "web", "abc", "ls", "-verbose", "--", "-h"]);
        assert_eq!(flags.args, ["abc", "ls", "-verbose", "--", "-h"]);
        assert!(!flags.on("verbose") && !flags.help);
        assert_eq!(parse(&["-verbose", "--", "abc", "-n"]).args, ["abc", "-n"]);
    }

    #[test]
    fn help_is_seen_anywhere() {
        for help in ["-h", "-help", "--help", "--h"] {
            assert!(parse(&["x", help]).unwrap().help);
        }
    }

    #[test]
    fn mistakes_are_named() {
        for (args, expected) in [
            (&["-vebrose"][..], "flag provided but not defined: -vebrose"),
            (&["-task"], "flag needs an argument: -task"),
            (&["-n", "many"], "invalid value \"many\" for flag -n: parse error"),
            (&["-wait=5"], "invalid value \"5\" for flag -wait: parse error"),
            (&["-verbose=maybe"], "invalid boolean value \"maybe\" for -verbose: parse error"),
            (&["-ui"], "flag -ui is not available in this release"),
            (&["-var", "a=b"], "flag -var is not available in this release"),
        ] {
            assert_eq!(parse(args).unwrap_err().to_string(), expected, "{args:?}");
        }
    }

    #[test]
    fn old_flags_are_accepted() {
        assert_eq!(parse(&["-vault-token", "secret", "job"]).unwrap().args, ["job"]);
    }
}
