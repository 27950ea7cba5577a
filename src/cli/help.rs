//! What -h prints.

use super::{
    Program, Tool,
    commands::{COMMANDS, Command},
    find::in_group,
    flags::{Flag, Kind},
    table::Table,
};

/// Which command is not there, and perhaps which one was meant.
pub(super) fn unknown(program: Program, args: &[&str]) -> String {
    let name = program.name();
    let words: Vec<&str> = args.iter().copied().take_while(|word| !word.starts_with('-')).collect();
    // What follows a command's name may be an argument.
    let typed: Vec<String> = (1..=words.len().min(3)).rev().map(|count| words[..count].join(" ")).collect();
    let elsewhere = |tool: &Tool| match tool {
        Tool::Nomad => Program::Nomad,
        Tool::Consul => Program::Consul,
        Tool::Own => Program::Troupe,
    };
    let is_typed = |name: &str| typed.iter().any(|typed| typed == name);
    let named =
        |command: &&Command| is_typed(command.name) || command.aliases.iter().any(|alias| is_typed(alias));
    if let Some(command) = COMMANDS.iter().find(named) {
        return format!("{name}: \"{}\" is a command of {}", command.name, elsewhere(&command.tool).name());
    }
    let offered: Vec<&str> =
        COMMANDS.iter().filter(|command| program.offers(command.tool)).map(|command| command.name).collect();
    let meant = typed.iter().find_map(|typed| jobspec::nearest(typed, &offered));
    let hint = meant.map(|meant| format!("; did you mean \"{meant}\"?")).unwrap_or_default();
    format!(
        "{name}: there is no command \"{}\"{hint}",
        typed.first().map_or_else(|| args.join(" "), Clone::clone)
    )
}

/// Help of the program: its commands, the everyday ones first.
pub(super) fn program(program: Program) -> String {
    const EVERYDAY: &[&str] = &[
        "job run",
        "job stop",
        "status",
        "job status",
        "alloc status",
        "alloc logs",
        "node status",
        "agent",
    ];
    let name = program.name();
    let mut text = format!("Usage: {name} [-version] [-help] <command> [args]\n");
    let offered = |command: &&Command| program.offers(command.tool);
    let list = |title: &str, commands: &mut dyn Iterator<Item = &'static Command>| {
        let mut table = Table::bare();
        let mut rows: Vec<(&str, &str)> =
            commands.map(|command| (spelling(command), command.about)).collect();
        if title != "Common commands:" {
            rows.sort_unstable();
            rows.dedup();
        }
        for (name, about) in rows {
            table.row([name, about]);
        }
        format!("\n{title}\n{}\n", indent(&table.to_string()))
    };
    if program.offers(Tool::Nomad) {
        text += &list(
            "Common commands:",
            &mut EVERYDAY.iter().filter_map(|name| COMMANDS.iter().find(|command| command.name == *name)),
        );
        text += &list(
            "Other commands:",
            &mut COMMANDS
                .iter()
                .filter(offered)
                .filter(|command| command.tool != Tool::Consul && !EVERYDAY.contains(&command.name)),
        );
    }
    if program.offers(Tool::Consul) {
        let title =
            if program == Program::Troupe { "Catalog and members:" } else { "Available commands are:" };
        text += &list(
            title,
            &mut COMMANDS.iter().filter(offered).filter(|command| {
                command.tool == Tool::Consul && (program == Program::Consul || !is_hidden(command))
            }),
        );
    }
    text.trim_end().to_owned()
}

/// Under the name `troupe`, the other tool's command of the same name comes first.
fn is_hidden(command: &Command) -> bool {
    let same = |other: &Command| other.name == command.name || other.aliases.contains(&command.name);
    COMMANDS.iter().any(|other| other.tool != Tool::Consul && same(other))
}

/// The short name where there is one.
fn spelling(command: &'static Command) -> &'static str {
    command.aliases.iter().find(|alias| !alias.contains(['-', ' '])).copied().unwrap_or(command.name)
}

/// Help of the commands that begin with some words.
pub(super) fn group(program: Program, words: &str) -> String {
    let mut table = Table::bare();
    for command in in_group(program, words) {
        let sub = command.name.strip_prefix(words).unwrap_or_default();
        table.row([sub, command.about]);
    }
    format!(
        "Usage: {} {words} <subcommand> [options] [args]\n\nSubcommands:\n{}",
        program.name(),
        indent(&table.to_string())
    )
}

/// Help of one command.
pub(super) fn command(program: Program, command: &Command) -> String {
    let name = program.name();
    let mut text = format!("Usage: {name} {} {}\n", command.name, command.usage).replace(" \n", "\n");
    for alias in command.aliases {
        text += &format!("Alias: {name} {alias}\n");
    }
    text += &format!("\n  {}.\n", command.about);
    for (at, flags) in command.flags.iter().enumerate() {
        if flags.is_empty() {
            continue;
        }
        let title = if at == 0 { "Options:" } else { "General options:" };
        let mut table = Table::bare();
        for flag in flags.iter().filter(|flag| is_listed(flag)) {
            table.row([shape(flag).as_str(), flag.about]);
        }
        text += &format!("\n{title}\n{}\n", indent(&table.to_string()));
    }
    text.trim_end().to_owned()
}

/// What does nothing here is not advertised.
fn is_listed(flag: &Flag) -> bool {
    !matches!(flag.kind, Kind::Ignored | Kind::AbsentSwitch | Kind::AbsentText | Kind::Rest)
}

fn shape(flag: &Flag) -> String {
    let name = flag.name;
    match flag.kind {
        Kind::Switch | Kind::AbsentSwitch => format!("-{name}"),
        Kind::Text(word) => format!("-{name}=<{word}>"),
        Kind::Number => format!("-{name}=<n>"),
        Kind::Span => format!("-{name}=<duration>"),
        Kind::Ignored | Kind::AbsentText | Kind::Rest => format!("-{name}=<value>"),
    }
}

fn indent(text: &str) -> String {
    text.lines().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}
