use super::super::{Tool, absent, client::NOMAD_FLAGS, commands::COMMANDS, flags::Kind};

/// The table in the documents, made from the table of commands.
fn table() -> String {
    let mut rows: Vec<(String, String)> = Vec::new();
    for command in COMMANDS.iter().filter(|command| command.tool == Tool::Nomad) {
        let names = std::iter::once(&command.name).chain(command.aliases).map(|name| format!("`{name}`"));
        let of_kind = |wanted: fn(Kind) -> bool| -> Vec<String> {
            let flags = command.flags.iter().flat_map(|flags| flags.iter());
            let common = |name: &str| NOMAD_FLAGS.iter().any(|flag| flag.name == name);
            flags
                .filter(|flag| wanted(flag.kind) && !common(flag.name))
                .map(|flag| format!("`-{}`", flag.name))
                .collect()
        };
        let refused = of_kind(|kind| matches!(kind, Kind::AbsentSwitch | Kind::AbsentText));
        let ignored = of_kind(|kind| kind == Kind::Ignored);
        let mut state = String::from("works");
        if !refused.is_empty() {
            state += &format!("; refuses {}", refused.join(", "));
        }
        if !ignored.is_empty() {
            state += &format!("; takes and ignores {}", ignored.join(", "));
        }
        rows.push((names.collect::<Vec<_>>().join(" = "), state));
    }
    for (name, alias) in absent::NOMAD {
        let alias = if alias.is_empty() { String::new() } else { format!(" = `{alias}`") };
        rows.push((format!("`{name}`{alias}"), String::from("absent")));
    }
    rows.sort_by_key(|(name, _)| name.replace('`', ""));
    let rows: String = rows.iter().map(|(name, state)| format!("| {name} | {state} |\n")).collect();
    format!("| command | |\n| --- | --- |\n{rows}")
}

#[test]
fn compatibility_of_commands_is_as_documented() {
    crate::http::documented("commands", &table());
}
