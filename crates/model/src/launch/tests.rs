use std::collections::BTreeSet;

use jiff::{
    Span, ToSpan as _,
    civil::{Date, Time},
    tz::TimeZoneDatabase,
};

use super::*;

fn at(text: &str) -> Timestamp {
    let instant: jiff::Timestamp = text.parse().unwrap();
    Timestamp(i64::try_from(instant.as_nanosecond()).unwrap())
}

fn periodic(spec: &str, time_zone: &str) -> Periodic {
    Periodic { specs: vec![spec.into()], time_zone: time_zone.into(), ..Periodic::default() }
}

fn slots(periodic: &Periodic, from: Timestamp, to: Timestamp) -> Vec<Timestamp> {
    std::iter::successors(periodic.next(from), |&last| periodic.next(last))
        .take_while(|&slot| slot < to)
        .collect()
}

#[test]
fn the_next_slot_of_each_form() {
    let check = |spec: &str, after: &str, expected: &str| {
        assert_eq!(periodic(spec, "UTC").next(at(after)), Some(at(expected)), "{spec}");
    };
    check("*/15 * * * *", "2026-01-01T00:00:00Z", "2026-01-01T00:15:00Z");
    check("*/15 * * * *", "2026-01-01T00:14:59.999Z", "2026-01-01T00:15:00Z");
    check("0 3 * * MON-FRI", "2026-01-02T04:00:00Z", "2026-01-05T03:00:00Z");
    check("0 0 1 jan ?", "2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z");
    // Day of the month or day of the week, as cron has it.
    check("0 0 13 * 5", "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z");
    check("0 0 L * *", "2026-02-01T00:00:00Z", "2026-02-28T00:00:00Z");
    check("0 0 15W * *", "2026-02-01T00:00:00Z", "2026-02-16T00:00:00Z");
    check("0 0 * * 5#2", "2026-02-01T00:00:00Z", "2026-02-13T00:00:00Z");
    check("0 0 * * 7", "2026-01-01T00:00:00Z", "2026-01-04T00:00:00Z");
    check("0 0 29 2 *", "2026-01-01T00:00:00Z", "2028-02-29T00:00:00Z");
    check("0 0 1 1 * 2030", "2026-01-01T00:00:00Z", "2030-01-01T00:00:00Z");
    check("*/10 * * * * * *", "2026-01-01T00:00:05Z", "2026-01-01T00:00:10Z");
    for (short, expected) in [
        ("@hourly", "2026-01-01T01:00:00Z"),
        ("@daily", "2026-01-02T00:00:00Z"),
        ("@weekly", "2026-01-04T00:00:00Z"),
        ("@monthly", "2026-02-01T00:00:00Z"),
        ("@yearly", "2027-01-01T00:00:00Z"),
        ("@annually", "2027-01-01T00:00:00Z"),
    ] {
        check(short, "2026-01-01T00:00:00Z", expected);
    }
}

#[test]
fn several_expressions_share_slots() {
    let both = Periodic { specs: vec!["0 * * * *".into(), "0,30 * * * *".into()], ..Periodic::default() };
    let found = slots(&both, at("2026-01-01T00:10:00Z"), at("2026-01-01T02:10:00Z"));
    let expected = ["00:30", "01:00", "01:30", "02:00"].map(|time| at(&format!("2026-01-01T{time}:00Z")));
    assert_eq!(found, expected);
}

#[test]
fn what_will_never_be_has_no_slot() {
    for (spec, zone) in
        [("0 0 31 2 *", "UTC"), ("0 0 1 1 * 2020", "UTC"), ("nonsense", "UTC"), ("@daily", "Mars/Base")]
    {
        assert_eq!(periodic(spec, zone).next(at("2026-01-01T00:00:00Z")), None, "{spec} {zone}");
    }
}

#[test]
fn what_is_wrong_is_said() {
    for bad in [
        "",
        "* * * *",
        "* * * * * * * *",
        "61 * * * *",
        "* 25 * * *",
        "@never",
        "a b c d e",
        &"*".repeat(300),
    ] {
        assert!(check_spec(bad).is_err(), "{bad}");
    }
    assert!(is_time_zone("Europe/Berlin") && is_time_zone("Local") && !is_time_zone("Europe/Nowhere"));
}

/// When the clock shows a time of the day for the first time, or jumps over it: somebody who looks at it each minute.
fn once_a_day(zone: &TimeZone, time: Time, from: jiff::Timestamp, to: jiff::Timestamp) -> Vec<Timestamp> {
    let mut found = Vec::new();
    let mut shown = from.to_zoned(zone.clone()).datetime();
    let mut moment = from;
    while moment < to {
        moment = moment.checked_add(1.minute()).unwrap();
        let clock = moment.to_zoned(zone.clone()).datetime();
        let slot = shown.date().to_datetime(time);
        let slot = if slot > shown { slot } else { shown.date().tomorrow().unwrap().to_datetime(time) };
        if slot <= clock {
            found.push(nanos(moment));
        }
        shown = shown.max(clock);
    }
    found
}

/// Zones that change their clocks otherwise than each other between 2000 and 2030.
fn different_zones() -> Vec<(String, TimeZone, Vec<jiff::Timestamp>)> {
    let (begin, end): (jiff::Timestamp, jiff::Timestamp) =
        ("2000-01-01T00:00:00Z".parse().unwrap(), "2030-01-01T00:00:00Z".parse().unwrap());
    let mut seen = BTreeSet::new();
    let database = TimeZoneDatabase::bundled();
    let names = database.available().map(|name| name.as_str().to_owned());
    let zones = names.map(|name| (database.get(&name).unwrap(), name));
    zones
        .filter_map(|(zone, name)| {
            let changes: Vec<_> =
                zone.following(begin).take_while(|change| change.timestamp() < end).collect();
            let key: Vec<_> = changes.iter().map(|change| (change.timestamp(), change.offset())).collect();
            let moments = changes.iter().map(|change| change.timestamp()).collect();
            (!changes.is_empty() && seen.insert(key)).then_some((name, zone, moments))
        })
        .collect()
}

fn nanos(instant: jiff::Timestamp) -> Timestamp {
    Timestamp(i64::try_from(instant.as_nanosecond()).unwrap())
}

#[test]
fn every_slot_of_thirty_years_comes_once_in_every_zone() {
    let zones = different_zones();
    assert!(zones.len() > 100, "{} zones", zones.len());
    let day: Span = 24.hours();
    for (name, zone, changes) in zones {
        for &change in &changes {
            let (from, to) = (change.checked_sub(day).unwrap(), change.checked_add(day).unwrap());
            // At a time of the day: one launch a day, whatever the clocks do.
            for (spec, time) in
                [("30 2 * * *", Time::constant(2, 30, 0, 0)), ("15 0 * * *", Time::constant(0, 15, 0, 0))]
            {
                let mut expected = once_a_day(&zone, time, from, to);
                expected.retain(|&slot| slot < nanos(to));
                let found = slots(&periodic(spec, &name), nanos(from), nanos(to));
                assert_eq!(found, expected, "{spec} in {name} around {change}");
            }
            // By intervals: whenever the clock shows it.
            let near = (change.checked_sub(3.hours()).unwrap(), change.checked_add(3.hours()).unwrap());
            let minutes = std::iter::successors(Some(near.0), |moment| moment.checked_add(1.minute()).ok());
            let expected: Vec<_> = minutes
                .take_while(|&moment| moment < near.1)
                .filter(|moment| {
                    let local = moment.to_zoned(zone.clone());
                    local.minute() % 15 == 0 && local.second() == 0 && *moment > near.0
                })
                .map(nanos)
                .collect();
            let found = slots(&periodic("*/15 * * * *", &name), nanos(near.0), nanos(near.1));
            assert_eq!(found, expected, "*/15 in {name} around {change}");
        }
    }
}

#[test]
fn between_changes_of_clocks_a_year_has_all_its_days() {
    let found = slots(
        &periodic("30 2 * * *", "Europe/Berlin"),
        at("1996-01-01T00:00:00Z"),
        at("2026-01-01T00:00:00Z"),
    );
    let days: BTreeSet<Date> = found
        .iter()
        .map(|slot| {
            let instant = jiff::Timestamp::from_nanosecond(i128::from(slot.as_nanos())).unwrap();
            instant.to_zoned(zone("Europe/Berlin").unwrap()).date()
        })
        .collect();
    assert_eq!(found.len(), 30 * 365 + 8, "leap years: 1996 to 2024");
    assert_eq!(days.len(), found.len());
}

#[test]
fn a_dispatch_brings_what_was_asked_for() {
    let rule = Parameterized {
        payload: PayloadRule::Required,
        meta_required: vec!["dest".into()],
        meta_optional: vec!["speed".into()],
    };
    let meta = |keys: &[&str]| keys.iter().map(|key| ((*key).to_owned(), String::from("1"))).collect();
    assert_eq!(rule.accept(b"x", &meta(&["dest"])), Ok(()));
    assert_eq!(rule.accept(b"x", &meta(&["dest", "speed"])), Ok(()));
    for (payload, keys, word) in [
        (&b""[..], &["dest"][..], "not provided but required"),
        (b"x", &[], "required meta keys: [\"dest\"]"),
        (b"x", &["dest", "other"], "unpermitted metadata keys: [\"other\"]"),
        (&[0; MAX_PAYLOAD + 1], &["dest"], "exceeds maximum size"),
    ] {
        let refusal = rule.accept(payload, &meta(keys)).unwrap_err();
        assert!(refusal.contains(word), "{refusal}");
    }
    let none = Parameterized { payload: PayloadRule::Forbidden, ..Parameterized::default() };
    assert!(none.accept(b"x", &BTreeMap::new()).is_err() && none.accept(b"", &BTreeMap::new()).is_ok());
}
