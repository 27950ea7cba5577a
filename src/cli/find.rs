//! From the words of a command line to a command.

use super::{
    Program, Tool, absent,
    commands::{COMMANDS, Command},
};

/// What a command line asks for.
#[derive(Debug)]
pub(super) enum Found<'a> {
    Command(&'static Command, &'a [&'a str]),
    Version,
    /// Of the program; `failed` where a command was expected.
    Help {
        failed: bool,
    },
    /// Of the commands that begin with some words; `failed` where a further word was expected.
    Group {
        name: String,
        failed: bool,
    },
    /// Known, and not there yet.
    Absent(&'static str),
    Unknown,
}

/// Finds what the arguments (without the program's name) ask for: the longest name wins.
pub(super) fn find<'a>(program: Program, args: &'a [&'a str]) -> Found<'a> {
    match args.first().copied() {
        None => return Found::Help { failed: true },
        Some("-h" | "-help" | "--help" | "help") => return Found::Help { failed: false },
        Some("-v" | "-version" | "--version") => return Found::Version,
        Some(_) => {}
    }
    let words = args.iter().take_while(|arg| !arg.starts_with('-')).count();
    let absent = [(Tool::Nomad, absent::NOMAD), (Tool::Consul, absent::CONSUL)];
    for count in (1..=words.min(3)).rev() {
        let name = args[..count].join(" ");
        let named = |command: &&Command| command.name == name || command.aliases.contains(&name.as_str());
        if let Some(command) = COMMANDS.iter().filter(|command| program.offers(command.tool)).find(named) {
            return Found::Command(command, &args[count..]);
        }
        let known =
            absent.iter().filter(|(tool, _)| program.offers(*tool)).flat_map(|(_, names)| names.iter());
        for (canonical, alias) in known {
            if *canonical == name || (!alias.is_empty() && *alias == name) {
                return Found::Absent(canonical);
            }
        }
    }
    // The group that the words name; a further word that is none of its commands is unknown.
    let group = args[..words].join(" ");
    if !in_group(program, &group).is_empty() {
        let failed = !matches!(args.get(words), Some(&("-h" | "-help" | "--help")));
        return Found::Group { name: group, failed };
    }
    Found::Unknown
}

/// The commands that begin with these words, each name once.
pub(super) fn in_group(program: Program, words: &str) -> Vec<&'static Command> {
    let mut found: Vec<&Command> = Vec::new();
    for command in COMMANDS.iter().filter(|command| program.offers(command.tool)) {
        let is_in = command.name.strip_prefix(words).is_some_and(|rest| rest.starts_with(' '));
        if is_in && found.iter().all(|other| other.name != command.name) {
            found.push(command);
        }
    }
    found
}
