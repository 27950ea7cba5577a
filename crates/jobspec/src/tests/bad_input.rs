//! Input that costs much, or says numbers without sense: refused with the field and a remedy, or read in bounded time.
//!
//! What the scheduler makes of such jobs is in `crates/scheduler/src/tests/bad_input.rs`, what the HTTP form says in
//! `crates/api/tests/wire/bad_input.rs`.

use std::time::{Duration, Instant};

use model::{Affinity, Constraint, Operand, location::pattern};

use super::{around, errors, job};

/// Wall time on a machine that has much else to do: seconds are needed, and without limits hours, or all memory.
const PATIENCE: Duration = Duration::from_secs(300);

fn regexp(text: &str) -> Constraint {
    Constraint { left: "${attr.cpu.arch}".into(), operand: Operand::Regexp, right: text.into() }
}

/// What is wrong with a job, as the HTTP API says it.
fn problems(job: &model::Job) -> Vec<String> {
    crate::validate(job).iter().map(|problem| format!("{problem}; {}", problem.help)).collect()
}

/// What is wrong with the same pattern in a file and over HTTP.
fn refused(pattern: &str) -> (String, Vec<String>) {
    let in_file = errors(&around(
        "",
        &format!("constraint {{\n attribute = \"${{attr.cpu.arch}}\"\n regexp = {pattern:?}\n}}"),
        "",
    ));
    let mut over_http = job(&around("", "", ""));
    over_http.groups[0].constraints.push(regexp(pattern));
    (in_file, problems(&over_http))
}

#[test]
fn patterns_that_would_explode_are_refused_by_name() {
    let began = Instant::now();
    for pattern in
        ["(a{1000}){1000}", "((((x{100}){100}){100}){100}){100}", "[a-z]{1000}{100}", "\\\\pL{1000}"]
    {
        let pattern = pattern.replace("\\\\", "\\");
        let (in_file, over_http) = refused(&pattern);
        let said = "becomes larger than 1 MiB when it is compiled";
        assert!(in_file.contains(&pattern) && in_file.contains(said), "{in_file}");
        assert!(
            in_file.contains("bad.nomad:") && in_file.contains("lower its repetition counts"),
            "{in_file}"
        );
        assert_eq!(over_http.len(), 1, "{over_http:?}");
        assert!(over_http[0].contains(said) && over_http[0].contains("group \"g\""), "{over_http:?}");
    }
    assert!(began.elapsed() < PATIENCE, "{:?}", began.elapsed());
}

#[test]
fn a_pattern_of_a_megabyte_is_not_even_read() {
    let began = Instant::now();
    for text in ["a".repeat(1 << 20), "(".repeat(1 << 20), "(a|b)*".repeat(1 << 17)] {
        let mut over_http = job(&around("", "", ""));
        over_http.groups[0].constraints.push(regexp(&text));
        let found = problems(&over_http);
        assert_eq!(found.len(), 1);
        assert!(
            found[0].contains("bytes; at most 4096 are compiled") && found[0].len() < 300,
            "{}",
            found[0].len()
        );
    }
    assert!(began.elapsed() < PATIENCE, "{:?}", began.elapsed());
}

#[test]
fn patterns_that_people_write_are_small_enough() {
    for text in [
        "^linux$",
        r"^\w+-\d+\.example\.com$",
        r"^(amd64|arm64|x86_64)$",
        r"^[\w.-]+@[\w.-]+$",
        r"(?i)^ubuntu (18|20|22|24)\.04( LTS)?$",
        r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$",
        r"^i-[0-9a-f]{1,200}$",
        r"^\w{4}-\w{4}-\w{12}$",
        "^(a+)+$",
    ] {
        let mut fine = job(&around("", "", ""));
        fine.groups[0].constraints.push(regexp(text));
        assert_eq!(problems(&fine), [""; 0], "{text}");
    }
}

#[test]
fn too_many_patterns_are_refused_once() {
    let began = Instant::now();
    let mut over_http = job(&around("", "", ""));
    over_http.groups[0].affinities =
        (0..20_000).map(|at| Affinity { rule: regexp(&format!("x{at}[a-z]{{1000}}")), weight: 1 }).collect();
    let found = problems(&over_http);
    assert_eq!(found.len(), 1, "{:?}", &found[..found.len().min(5)]);
    assert!(found[0].contains("more than 128 different regular expressions"), "{found:?}");
    // The same one in many places is one.
    over_http.groups[0].affinities.truncate(pattern::MAX_PER_JOB - 1);
    over_http.groups[0].constraints = vec![regexp("^a"); 10_000];
    assert_eq!(problems(&over_http), [""; 0]);
    assert!(began.elapsed() < PATIENCE, "{:?}", began.elapsed());
}

#[test]
fn ten_thousand_groups_are_read() {
    let began = Instant::now();
    let group = |at: u32| {
        format!(
            "group \"g{at}\" {{\ntask \"t\" {{\ndriver = \"raw_exec\"\nconfig {{ command = \"x\" }}\n}}\n}}\n"
        )
    };
    let text = format!("job \"big\" {{\n{}}}\n", (0..10_000).map(group).collect::<String>());
    assert_eq!(job(&text).groups.len(), 10_000);
    assert!(began.elapsed() < PATIENCE, "{:?}", began.elapsed());
    // With a mistake in each, the first are told.
    let wrong = errors(&text.replace("driver", "drvier"));
    assert!(wrong.len() < 1 << 20, "{}", wrong.len());
    // All of one name.
    let mut same = job(&text);
    for group in &mut same.groups {
        group.name = "g".into();
    }
    assert_eq!(problems(&same).len(), 9_999);
    assert!(began.elapsed() < PATIENCE, "{:?}", began.elapsed());
}

#[test]
fn counts_beyond_the_limit_are_refused_with_it() {
    for count in ["2147483648", "4294967295", "4294967296", "1000000000000000000", "-1", "50001"] {
        let said = errors(&around("", &format!("count = {count}"), ""));
        assert!(said.contains(&format!("`count` must be between 0 and 50000, found {count}")), "{said}");
        assert!(said.contains("lower `count`, or split the job"), "{said}");
        assert!(said.contains("bad.nomad:4:9"), "{said}");
    }
    // More than any integer: not a number of the kind.
    let said = errors(&around("", "count = 100000000000000000000", ""));
    assert!(said.contains("`count`"), "{said}");
    // Over HTTP the largest that the type holds comes this far.
    let mut over_http = job(&around("", "", ""));
    over_http.groups[0].count = 1 << 31;
    let found = problems(&over_http);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0].contains("group \"g\"") && found[0].contains("between 0 and 50000, found 2147483648"),
        "{found:?}"
    );
    // Each in its limits, together not.
    let group = over_http.groups[0].clone();
    over_http.groups = (0..100_000)
        .map(|at| model::TaskGroup { name: format!("g{at}"), count: 50_000, ..group.clone() })
        .collect();
    let found = problems(&over_http);
    assert!(found.len() == 1 && found[0].contains("5000000000 > 50000"), "{found:?}");
}

#[test]
fn weights_and_percentages_out_of_range_are_refused() {
    let affinity = |weight: &str| {
        errors(&around(
            "",
            &format!("affinity {{\n attribute = \"${{attr.x}}\"\n value = \"y\"\n weight = {weight}\n}}"),
            "",
        ))
    };
    assert!(affinity("0").contains("affinity weight cannot be zero"));
    for weight in ["101", "-101", "1000000000000"] {
        let said = affinity(weight);
        assert!(said.contains(&format!("between -100 and 100, found {weight}")), "{said}");
    }
    let spread = |inside: &str| {
        errors(&around("", &format!("spread {{\n attribute = \"${{meta.rack}}\"\n{inside}\n}}"), ""))
    };
    for weight in ["0", "-1", "101"] {
        let said = spread(&format!("weight = {weight}"));
        assert!(said.contains(&format!("found {weight}")), "{said}");
    }
    let said = spread("target \"a\" { percent = 60 }\ntarget \"b\" { percent = 41 }");
    assert!(said.contains("the percentages of all targets add up to 101, more than 100"), "{said}");
    let said = spread("target \"a\" { percent = 101 }");
    assert!(said.contains("between 0 and 100, found 101"), "{said}");
    // Over HTTP, many of them: their sum is no small number any more.
    let mut over_http = job(&around("", "", ""));
    let target = model::SpreadTarget { value: String::new(), percent: 255 };
    let targets =
        (0..100_000).map(|at| model::SpreadTarget { value: at.to_string(), ..target.clone() }).collect();
    over_http.spreads.push(model::Spread { attribute: "${meta.rack}".into(), weight: 50, targets });
    assert!(problems(&over_http).iter().any(|said| said.contains("add up to 25500000, more than 100")));
}
