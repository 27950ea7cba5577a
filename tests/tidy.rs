//! The house plan as a test: what no crate wall and no lint can hold, read off the source files.
//!
//! Between the modules of `src/` there are no crate walls, so this is the wall. Each rule is a function from texts
//! to complaints; it has a small made-up house below in which it must complain, so that a rule that has gone blind
//! is noticed. To move a wall, change its table here and say why in ARCHITECTURE.md.

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    path::{Path, PathBuf},
};

/// Room of `src/`, the rooms it may name. Nothing else is drawn.
const ROOMS: &[(&str, &[&str])] = &[
    // Whom clients believe; knows nothing of the house.
    ("trust", &[]),
    ("actors", &[]),
    ("net", &["actors"]),
    // Its network adapter: votes, entries and snapshots are calls like all others.
    ("raft", &["actors", "net"]),
    ("dns", &["actors"]),
    ("http", &["actors"]),
    ("driver", &["actors", "trust"]),
    // Belongs to the drivers: it speaks their protocol and writes their logs.
    ("supervisor", &["driver"]),
    // Talks only to the HTTP API.
    ("cli", &["trust"]),
    ("agent", &["trust", "actors", "raft", "net", "dns", "http", "driver", "supervisor", "cli"]),
    // Connects node agents with simulated machines, as `agent` connects them with real ones.
    ("sim", &["trust", "actors", "net", "driver", "cli", "agent"]),
    // Apart from `main`, so that an example can be the program, too.
    ("program", &["agent", "cli", "sim", "supervisor"]),
    ("main", &["program"]),
];

/// Library, the rooms that may name it. What is not listed may be named anywhere.
const LIBRARIES: &[(&str, &[&str])] = &[
    ("actix", &["actors", "agent", "sim"]),
    ("actix_web", &["http", "agent"]),
    ("bollard", &["driver"]),
    ("hickory_proto", &["dns"]),
    ("openraft", &["raft"]),
    ("redb", &["raft", "driver"]),
    ("foca", &["net"]),
    // The composition root asks a Consul API for the other agents before anything else runs.
    ("reqwest", &["trust", "cli", "driver", "agent", "sim"]),
    ("rustls", &["trust"]),
    ("clap", &["cli"]),
];

/// Crate of `crates/`, the crates of the house it may name.
const CRATES: &[(&str, &[&str])] = &[
    // Stands in for a dependency of openraft; knows nothing of the house.
    ("base2histogram", &[]),
    // Go's templates; knows nothing of the house.
    ("gotemplate", &[]),
    ("model", &[]),
    ("api", &["model"]),
    ("jobspec", &["model", "gotemplate"]),
    ("state", &["model"]),
    ("scheduler", &["model", "state"]),
    ("logic", &["model", "gotemplate", "state", "scheduler"]),
];

/// Libraries that compute and do nothing else, so that the crates of the core may have them.
const PURE: &[&str] = &[
    "serde",
    "serde_json",
    "rmp-serde",
    "thiserror",
    "imbl",
    "hcl-rs",
    "rand",
    "regex",
    "semver",
    "sha2",
    "sha1",
    "md-5",
    "bcrypt",
    "base64",
    "yaml-rust2",
    "croner",
    "jiff",
    "proptest",
    "insta",
];

/// What the core does not know: sockets, files, clocks, processes, chance.
const OUTSIDE: &[&str] = &[
    "std::fs",
    "std::process",
    "std::env",
    "std::thread",
    "TcpStream",
    "TcpListener",
    "UdpSocket",
    "SystemTime",
    "Instant",
    "thread_rng",
    "rand::random",
    "rand::rng",
];

/// Lines a file may have without its tests.
const LONG: usize = 500;

/// Longer files, each with the reason why it is one thing.
const LONG_ON_PURPOSE: &[(&str, &str)] = &[
    ("src/cli/commands.rs", "one table: every command with its flags"),
    ("tests/tidy.rs", "the rules of the house and the made-up inputs that prove each can fail"),
];

/// A text and the path under which it is reported.
struct Source {
    path: String,
    text: String,
}

impl Source {
    /// The room of `src/` or the crate of `crates/` that the file belongs to.
    fn room(&self) -> &str {
        let mut parts = self.path.split('/').skip(1);
        parts.next().unwrap_or_default().trim_end_matches(".rs")
    }

    /// Modules between the file and the root of its crate: 1 for `src/http/mod.rs`, 2 for `src/http/call.rs`.
    fn depth(&self) -> usize {
        let inside = self.path.split('/').skip_while(|part| *part != "src").skip(1);
        inside.filter(|part| *part != "mod.rs").count()
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// All Rust files below a directory of the repository.
fn sources(below: &str) -> Vec<Source> {
    fn walk(dir: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display())) {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|end| end == "rs") {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    walk(&root().join(below), &mut found);
    found.sort();
    let sources: Vec<Source> = found
        .into_iter()
        .map(|path| Source {
            text: std::fs::read_to_string(&path).unwrap(),
            path: path.strip_prefix(root()).unwrap().display().to_string(),
        })
        .collect();
    assert!(!sources.is_empty(), "no source below {below}: this test reads nothing");
    sources
}

#[track_caller]
fn no_complaints(complaints: &[String]) {
    assert!(complaints.is_empty(), "\n\n{}\n", complaints.join("\n"));
}

/// Comments and the insides of texts become blanks; lines stay where they are.
fn code_only(text: &str) -> String {
    let bytes: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    let blank = |c: char| if c == '\n' { '\n' } else { ' ' };
    while at < bytes.len() {
        let rest = &bytes[at..];
        let end = match rest {
            ['/', '/', ..] => rest.iter().position(|c| *c == '\n').unwrap_or(rest.len()),
            ['/', '*', ..] => {
                rest.windows(2).position(|two| two == ['*', '/']).map_or(rest.len(), |end| end + 2)
            }
            ['r', '#', '"', ..] => {
                rest.windows(2).position(|two| two == ['"', '#']).map_or(rest.len(), |end| end + 2)
            }
            ['"', ..] => {
                let mut end = 1;
                while end < rest.len() && rest[end] != '"' {
                    end += if rest[end] == '\\' { 2 } else { 1 };
                }
                (end + 1).min(rest.len())
            }
            // Characters that would otherwise begin a text.
            ['\'', '"', '\'', ..] => 3,
            ['\'', '\\', _, '\'', ..] => 4,
            _ => 0,
        };
        if end == 0 {
            out.push(rest[0]);
            at += 1;
        } else {
            out.extend(rest[..end].iter().map(|c| blank(*c)));
            at += end;
        }
    }
    out
}

/// The part of a file above its unit tests.
fn without_tests(text: &str) -> &str {
    text.find("#[cfg(test)]\nmod ").map_or(text, |tests| &text[..tests])
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Names that follow a path prefix: `crate::a::b` gives a, `crate::{a::x, b}` gives a and b, each with its line.
fn heads(code: &str, after: usize) -> Vec<(String, usize)> {
    let line = |at: usize| code[..at].matches('\n').count() + 1;
    let word = |at: usize| code[at..].chars().take_while(|c| is_word(*c)).collect::<String>();
    if !code[after..].starts_with('{') {
        return vec![(word(after), line(after))];
    }
    let (mut depth, mut found, mut expect) = (0usize, Vec::new(), false);
    for (offset, c) in code[after..].char_indices() {
        match c {
            '{' => {
                depth += 1;
                expect = depth == 1;
            }
            '}' if depth == 1 => break,
            '}' => depth -= 1,
            ',' => expect = depth == 1,
            c if expect && is_word(c) => {
                found.push((word(after + offset), line(after + offset)));
                expect = false;
            }
            _ => {}
        }
    }
    found
}

/// Where a word stands alone in code.
fn word_at(code: &str, word: &str) -> Vec<usize> {
    code.match_indices(word)
        .filter(|(at, _)| {
            let before = code[..*at].chars().next_back();
            let after = code[at + word.len()..].chars().next();
            !before.is_some_and(|c| is_word(c) || c == '$') && !after.is_some_and(is_word)
        })
        .map(|(at, _)| at)
        .collect()
}

/// Rooms that a file names, with lines: by `crate::`, by `troupe::` (main) and by enough `super::`.
fn rooms_named(source: &Source) -> Vec<(String, usize)> {
    let code = code_only(&source.text);
    let mut named = Vec::new();
    for root in ["crate", "troupe"] {
        for at in word_at(&code, root) {
            let after = at + root.len();
            if code[after..].starts_with("::") {
                named.extend(heads(&code, after + 2));
            }
        }
    }
    let up = format!("{}::", vec!["super"; source.depth()].join("::"));
    for (at, _) in code.match_indices(&up) {
        let before = code[..at].chars().next_back();
        let inline = code[..at].matches("mod tests {").count();
        let next = &code[at + up.len()..];
        if inline == 0 && !before.is_some_and(|c| is_word(c) || c == ':') && !next.starts_with("super") {
            named.extend(heads(&code, at + up.len()));
        }
    }
    named.retain(|(name, _)| ROOMS.iter().any(|(room, _)| room == name));
    named
}

fn arrows_between_rooms(source: &Source) -> Vec<String> {
    let room = source.room();
    if room == "lib" {
        return Vec::new();
    }
    let Some((_, allowed)) = ROOMS.iter().find(|(name, _)| *name == room) else {
        return vec![format!("{}: no room {room:?} is drawn; add it to ROOMS with its arrows", source.path)];
    };
    rooms_named(source)
        .into_iter()
        .filter(|(name, _)| name != room && !allowed.contains(&name.as_str()))
        .map(|(name, line)| {
            let drawn = if allowed.is_empty() { String::from("none") } else { allowed.join(", ") };
            format!("{}:{line}: {room} names {name}; arrows drawn from {room}: {drawn}", source.path)
        })
        .collect()
}

fn libraries_in_their_rooms(source: &Source) -> Vec<String> {
    let code = code_only(&source.text);
    let mut complaints = Vec::new();
    for (library, rooms) in LIBRARIES {
        for at in word_at(&code, library) {
            let path = code[at + library.len()..].starts_with("::") && !code[..at].ends_with("::");
            if path && !rooms.contains(&source.room()) {
                let line = code[..at].matches('\n').count() + 1;
                complaints.push(format!(
                    "{}:{line}: {} names {library}, which belongs behind {}",
                    source.path,
                    source.room(),
                    rooms.join(", ")
                ));
            }
        }
    }
    complaints
}

fn core_knows_no_outside(source: &Source) -> Vec<String> {
    let code = code_only(without_tests(&source.text));
    let mut complaints = Vec::new();
    for name in OUTSIDE {
        for at in word_at(&code, name) {
            let line = code[..at].matches('\n').count() + 1;
            complaints.push(format!("{}:{line}: the core names {name}; take it as an argument", source.path));
        }
    }
    complaints
}

fn nothing_left_to_do(source: &Source) -> Vec<String> {
    let code = code_only(&source.text);
    let mut complaints = Vec::new();
    for name in ["todo", "unimplemented"] {
        for at in word_at(&code, name).into_iter().filter(|at| code[at + name.len()..].starts_with('!')) {
            let line = code[..at].matches('\n').count() + 1;
            complaints.push(format!("{}:{line}: {name}! pretends; refuse with a clear error", source.path));
        }
    }
    complaints
}

fn not_too_long(source: &Source) -> Vec<String> {
    let lines = without_tests(&source.text).lines().count();
    if lines <= LONG || LONG_ON_PURPOSE.iter().any(|(path, _)| *path == source.path) {
        return Vec::new();
    }
    vec![format!(
        "{}: {lines} lines without its tests (at most {LONG}): does it hold two things?",
        source.path
    )]
}

/// The labelled lines that the head of an actor has.
const HEAD: &[&str] = &["Lives:", "Asked by:", "Owns:", "On restart:", "Brain:"];

fn actor_has_its_head(source: &Source) -> Vec<String> {
    let name = source.path.trim_start_matches("src/actors/");
    if ["kit.rs", "ports.rs", "mod.rs", "servers.rs", "testing.rs"].contains(&name) || name.contains('/') {
        return Vec::new();
    }
    let head: Vec<&str> = source.text.lines().take_while(|line| line.starts_with("//!")).collect();
    HEAD.iter()
        .filter(|label| !head.iter().any(|line| line.trim_start_matches("//! ").starts_with(**label)))
        .map(|label| format!("{}: its head lacks the line `//! {label} ..`", source.path))
        .collect()
}

/// Name and line of each dependency in the tables of a manifest whose heads end with `dependencies]`.
fn dependencies(manifest: &str) -> Vec<(String, usize)> {
    let mut inside = false;
    let mut found = Vec::new();
    for (number, line) in manifest.lines().enumerate() {
        if line.starts_with('[') {
            inside = line.ends_with("dependencies]");
        } else if inside && line.starts_with(|c: char| c.is_ascii_alphanumeric()) {
            let name = line.split(['=', '.', ' ']).next().unwrap_or_default();
            found.push((name.to_owned(), number + 1));
        }
    }
    found
}

fn crate_wall(name: &str, manifest: &str) -> Vec<String> {
    let path = format!("crates/{name}/Cargo.toml");
    let Some((_, allowed)) = CRATES.iter().find(|(known, _)| *known == name) else {
        return vec![format!("{path}: no crate {name:?} is drawn; add it to CRATES with its arrows")];
    };
    dependencies(manifest)
        .into_iter()
        .filter(|(dependency, _)| {
            !PURE.contains(&dependency.as_str()) && !allowed.contains(&dependency.as_str())
        })
        .map(|(dependency, line)| {
            format!(
                "{path}:{line}: {name} names {dependency}; it may name {} and {}",
                if allowed.is_empty() { String::from("no crate of ours") } else { allowed.join(", ") },
                PURE.join(", ")
            )
        })
        .collect()
}

/// Every dependency stands in a group of lines that begins with its reason; crates of ours need none.
fn dependency_has_a_reason(manifest: &str) -> Vec<String> {
    let lines: Vec<&str> = manifest.lines().collect();
    dependencies(manifest)
        .into_iter()
        .filter(|(name, line)| {
            let ours = CRATES.iter().any(|(known, _)| known == name);
            // The reason stands with the version, in the table of the workspace.
            let inherited = lines[line - 1].contains("workspace = true");
            let group = lines[..line - 1]
                .iter()
                .rev()
                .take_while(|above| !above.is_empty() && !above.starts_with('['));
            !ours && !inherited && !group.into_iter().any(|above| above.starts_with('#'))
        })
        .map(|(name, line)| format!("Cargo.toml:{line}: {name} has no line above that says what it is for"))
        .collect()
}

/// Crates that `deny.toml` bans and that the lock file has all the same.
fn banned(deny: &str, lock: &str) -> Vec<String> {
    let bans =
        deny.lines().skip_while(|line| !line.starts_with("deny = [")).skip(1).take_while(|line| *line != "]");
    let names: Vec<&str> =
        bans.filter_map(|line| line.split("crate = \"").nth(1)?.split('"').next()).collect();
    assert!(!names.is_empty(), "deny.toml bans nothing: this test reads nothing");
    names
        .into_iter()
        .filter(|name| lock.contains(&format!("name = \"{name}\"\n")))
        .map(|name| format!("Cargo.lock: {name} is banned by deny.toml, where the reason stands"))
        .collect()
}

/// Paths in backticks that a page names and that are not there.
fn missing_paths(page: &str, text: &str, exists: impl Fn(&str) -> bool) -> Vec<String> {
    const TOPS: &[&str] = &["src/", "crates/", "tests/", "examples/", "docs/", ".ci/", ".cargo/", "scripts/"];
    let mut complaints = Vec::new();
    for (number, line) in text.lines().enumerate() {
        for quoted in line.split('`').skip(1).step_by(2) {
            let path = quoted.trim_end_matches('/');
            if TOPS.iter().any(|top| quoted.starts_with(top))
                && !path.contains([' ', '*', '<'])
                && !exists(path)
            {
                complaints.push(format!("{page}:{}: names `{path}`, which does not exist", number + 1));
            }
        }
    }
    complaints
}

fn over(below: &[&str], rule: impl Fn(&Source) -> Vec<String>) -> Vec<String> {
    below.iter().flat_map(|dir| sources(dir)).flat_map(|source| rule(&source)).collect()
}

fn crate_names() -> BTreeSet<String> {
    let entries = std::fs::read_dir(root().join("crates")).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// A file that holds nothing but unit tests.
fn is_test(source: &Source) -> bool {
    source.path.ends_with("/tests.rs")
        || (source.path.contains("/tests/") && !source.path.starts_with("tests/"))
}

#[test]
fn arrows_point_inwards() {
    // Unit tests may build their world from that of another room.
    no_complaints(&over(
        &["src"],
        |source| {
            if is_test(source) { Vec::new() } else { arrows_between_rooms(source) }
        },
    ));
}

#[test]
fn libraries_stay_behind_their_doors() {
    no_complaints(&over(&["src"], libraries_in_their_rooms));
}

#[test]
fn crates_have_their_walls() {
    let walls = |name: &String| crate_wall(name, &read(&format!("crates/{name}/Cargo.toml")));
    no_complaints(&crate_names().iter().flat_map(walls).collect::<Vec<_>>());
}

#[test]
fn the_core_is_pure() {
    let files = crate_names().into_iter().flat_map(|name| sources(&format!("crates/{name}/src")));
    // Unit tests may read files.
    let files = files.filter(|source| !source.path.contains("/tests"));
    no_complaints(&files.flat_map(|source| core_knows_no_outside(&source)).collect::<Vec<_>>());
}

#[test]
fn nothing_pretends() {
    no_complaints(&over(&["src", "crates"], nothing_left_to_do));
}

#[test]
fn files_hold_one_thing() {
    no_complaints(&over(&["src", "crates", "tests", "examples"], |source| {
        if is_test(source) { Vec::new() } else { not_too_long(source) }
    }));
    for (path, reason) in LONG_ON_PURPOSE {
        let lines = without_tests(&read(path)).lines().count();
        assert!(
            lines > LONG && !reason.is_empty(),
            "{path} has {lines} lines: strike it from LONG_ON_PURPOSE"
        );
    }
}

#[test]
fn actors_have_their_heads() {
    no_complaints(&over(&["src/actors"], actor_has_its_head));
}

#[test]
fn dependencies_have_reasons() {
    no_complaints(&dependency_has_a_reason(&read("Cargo.toml")));
}

#[test]
fn banned_crates_stay_out() {
    no_complaints(&banned(&read("deny.toml"), &read("Cargo.lock")));
}

#[test]
fn pages_name_what_is_there() {
    let exists = |path: &str| root().join(path).exists();
    for page in ["ARCHITECTURE.md", "README.md", "CONTRIBUTING.md"] {
        no_complaints(&missing_paths(page, &read(page), exists));
    }
    let map = read("ARCHITECTURE.md");
    let mut lacking = String::new();
    for (room, _) in ROOMS.iter().filter(|(room, _)| *room != "main") {
        if !map.contains(&format!("`src/{room}`")) && !map.contains(&format!("`src/{room}.rs`")) {
            writeln!(lacking, "ARCHITECTURE.md: the code map lacks `src/{room}`").unwrap();
        }
    }
    assert!(lacking.is_empty(), "{lacking}");
}

/// Made-up houses in which each rule must complain, and neighbours in which it must not.
mod rules {
    use super::*;

    fn source(path: &str, text: &str) -> Source {
        Source { path: path.into(), text: text.into() }
    }

    #[track_caller]
    fn check(complaints: &[String], expected: &[&str]) {
        assert_eq!(complaints.len(), expected.len(), "{complaints:?}");
        for (complaint, part) in complaints.iter().zip(expected) {
            assert!(complaint.contains(part), "{complaint:?} lacks {part:?}");
        }
    }

    #[test]
    fn arrows() {
        let good =
            "use crate::{\n    actors::{kit::Link, ports::Clock},\n    dns::name,\n};\n// crate::http\n";
        check(&arrows_between_rooms(&source("src/dns/server.rs", good)), &[]);
        let bad =
            "use crate::{\n    actors::kit,\n    http,\n};\nfn f() { crate::driver::go(\"crate::raft\") }\n";
        check(
            &arrows_between_rooms(&source("src/dns/server.rs", bad)),
            &[
                "src/dns/server.rs:3: dns names http; arrows drawn from dns: actors",
                "src/dns/server.rs:5: dns names driver",
            ],
        );
        let up = "use super::super::http::x;\nuse super::http;\nmod tests { use super::super::driver; }";
        check(&arrows_between_rooms(&source("src/dns/server.rs", up)), &["server.rs:1: dns names http"]);
        check(&arrows_between_rooms(&source("src/cellar/mod.rs", "")), &["no room \"cellar\" is drawn"]);
        check(
            &arrows_between_rooms(&source("src/cli/mod.rs", "use crate::actors;")),
            &["drawn from cli: trust"],
        );
    }

    #[test]
    fn libraries() {
        let text = "use bollard::Docker;\nuse crate::x::openraft::Y;\n";
        check(&libraries_in_their_rooms(&source("src/actors/a.rs", text)), &["a.rs:1: actors names bollard"]);
        check(&libraries_in_their_rooms(&source("src/driver/a.rs", text)), &[]);
    }

    #[test]
    fn core() {
        let text = "use std::{fmt};\nlet now = Instant::now(); // SystemTime\n#[cfg(test)]\nmod tests { std::fs::x }";
        check(
            &core_knows_no_outside(&source("crates/logic/src/a.rs", text)),
            &["a.rs:2: the core names Instant"],
        );
        let manifest = "[package]\nname = \"api\"\n[dependencies]\nmodel.workspace = true\nstate.workspace = true\n\
                        tokio = \"1\"\n";
        check(
            &crate_wall("api", manifest),
            &["Cargo.toml:5: api names state", "Cargo.toml:6: api names tokio"],
        );
        check(&crate_wall("attic", ""), &["no crate \"attic\" is drawn"]);
    }

    #[test]
    fn pretenders() {
        let text = format!("{}!(\"later\");\n// todo!\nlet todo = 1;", "todo");
        check(&nothing_left_to_do(&source("src/x.rs", &text)), &["src/x.rs:1: todo!"]);
    }

    #[test]
    fn length() {
        let long = "x\n".repeat(LONG + 1);
        check(&not_too_long(&source("src/x.rs", &long)), &["501 lines"]);
        let tested = format!("{}#[cfg(test)]\nmod tests {{\n{long}}}", "x\n".repeat(LONG));
        check(&not_too_long(&source("src/x.rs", &tested)), &[]);
    }

    #[test]
    fn heads_of_actors() {
        let head = "//! A.\n//!\n//! Lives:      x\n//! Asked by:   x\n//! Owns:  x\n//! On restart: x\n//! Brain:  x\n";
        check(&actor_has_its_head(&source("src/actors/a.rs", head)), &[]);
        let lacking = head.replace("//! Owns:  x\n", "");
        check(&actor_has_its_head(&source("src/actors/a.rs", &lacking)), &["lacks the line `//! Owns: ..`"]);
    }

    #[test]
    fn reasons() {
        let manifest =
            "[dependencies]\nmodel = { path = \"x\" }\n\n# Why.\na = \"1\"\nb = \"1\"\n\nc = \"1\"\n";
        check(&dependency_has_a_reason(manifest), &["Cargo.toml:8: c has no line"]);
    }

    #[test]
    fn bans() {
        let deny = "[bans]\ndeny = [\n    { crate = \"bad-sys\", reason = \"C\" },\n]\n";
        check(&banned(deny, "[[package]]\nname = \"good\"\nversion = \"1\"\n"), &[]);
        check(&banned(deny, "[[package]]\nname = \"bad-sys\"\nversion = \"1\"\n"), &["bad-sys is banned"]);
    }

    #[test]
    fn paths() {
        let page = "see `src/a.rs` and\n`src/gone.rs`, `cargo tidy`, `tests/*.rs`";
        check(&missing_paths("P.md", page, |path| path == "src/a.rs"), &["P.md:2: names `src/gone.rs`"]);
    }
}
