//! Durations as job files write them: `"30s"`, `"1h30m"`, `"250ms"`.

use std::time::Duration;

/// The duration.
///
/// # Errors
/// What is wrong with the text, in words.
pub fn parse(text: &str) -> Result<Duration, String> {
    let trimmed = text.trim();
    let body = trimmed.strip_prefix('+').unwrap_or(trimmed);
    if body.starts_with('-') {
        return Err(format!("a duration cannot be negative, found \"{trimmed}\""));
    }
    if body == "0" {
        return Ok(Duration::ZERO);
    }
    let bad = || format!("\"{trimmed}\" is not a duration");
    let mut total = 0.0_f64;
    let mut exact = Some(0_u64);
    let mut rest = body;
    if rest.is_empty() {
        return Err(bad());
    }
    while !rest.is_empty() {
        let digits =
            rest.find(|letter: char| !letter.is_ascii_digit() && letter != '.').unwrap_or(rest.len());
        let (number, tail) = rest.split_at(digits);
        let length = tail.find(|letter: char| letter.is_ascii_digit() || letter == '.').unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(length);
        let nanos: u64 = match unit {
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            "" => return Err(format!("\"{trimmed}\" lacks a unit")),
            "d" | "day" | "days" => return Err(format!("\"{trimmed}\" is in days, which are not a unit")),
            _ => return Err(bad()),
        };
        let value: f64 = number.parse().map_err(|_| bad())?;
        total += value * nanos as f64;
        let whole = number.parse::<u64>().ok().and_then(|number| number.checked_mul(nanos));
        exact = exact.zip(whole).and_then(|(sum, part)| sum.checked_add(part));
        rest = tail;
    }
    // Stored as signed 64 bit nanoseconds by everybody who exchanges jobs: about 292 years.
    if total >= i64::MAX as f64 {
        return Err(format!("\"{trimmed}\" is too long"));
    }
    Ok(Duration::from_nanos(exact.unwrap_or(total as u64)))
}

/// The shortest usual way to write it: `10s`, `5m`, `1h30m`.
pub fn show(duration: Duration) -> String {
    let nanos = duration.as_nanos();
    if nanos == 0 {
        return String::from("0s");
    }
    if !nanos.is_multiple_of(1_000_000_000) {
        return if nanos.is_multiple_of(1_000_000) {
            format!("{}ms", nanos / 1_000_000)
        } else {
            format!("{nanos}ns")
        };
    }
    let seconds = nanos / 1_000_000_000;
    let parts = [(seconds / 3600, "h"), (seconds / 60 % 60, "m"), (seconds % 60, "s")];
    parts.iter().filter(|(amount, _)| *amount > 0).map(|(amount, unit)| format!("{amount}{unit}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Result<u64, &str>) {
        let millis = parse(text).map(|duration| u64::try_from(duration.as_millis()).expect("small"));
        assert_eq!(millis, expected.map_err(String::from), "{text}");
    }

    #[test]
    fn reads_what_go_reads() {
        check("30s", Ok(30_000));
        check("1h30m", Ok(5_400_000));
        check("1.5s", Ok(1_500));
        check("250ms", Ok(250));
        check("0", Ok(0));
        check("30", Err("\"30\" lacks a unit"));
        check("", Err("\"\" is not a duration"));
        check("abc", Err("\"abc\" is not a duration"));
        check("2d", Err("\"2d\" is in days, which are not a unit"));
        check("-5s", Err("a duration cannot be negative, found \"-5s\""));
        check("99999999h", Err("\"99999999h\" is too long"));
    }

    #[test]
    fn shows_what_it_reads() {
        for text in ["0s", "10s", "5m", "1h30m", "1h1s", "250ms", "24h"] {
            assert_eq!(show(parse(text).expect(text)), text);
        }
    }
}
