use actix_web::http::Method;

use super::world::World;
use crate::http::documented;

/// The paths of the table in the documents.
fn listed() -> Vec<(String, String)> {
    let page = std::fs::read_to_string(crate::http::COMPATIBILITY).unwrap();
    let rows = page.lines().filter_map(|line| {
        let mut cells = line.strip_prefix("| ")?.split(" | ");
        let (method, path) = (cells.next()?, cells.next()?.strip_prefix("`/")?.strip_suffix('`')?);
        Some((method.to_owned(), format!("/{path}")))
    });
    rows.collect()
}

#[actix_web::test]
async fn compatibility_of_endpoints_is_as_documented() {
    let world = World::new();
    let mut table = String::from("| method | path | |\n| --- | --- | --- |\n");
    let listed = listed();
    assert!(listed.len() > 100, "{}", listed.len());
    for (method, path) in listed {
        let real: Vec<&str> =
            path.split('/').map(|part| if part.starts_with(':') { "x" } else { part }).collect();
        let name: Method = method.parse().unwrap();
        // The event stream has no end: with a topic that there is not, it is refused by name.
        let asked = real.join("/").replace("/event/stream", "/event/stream?topic=none");
        let reply = world.call(name, &asked, "{}").await;
        let text = String::from_utf8_lossy(&reply.body).into_owned();
        let state = match reply.status.as_u16() {
            501 if text.contains("Enterprise") => "disabled",
            400 if text == "ACL support disabled" => "disabled",
            501 | 405 => "absent",
            404 if text.is_empty() => "absent",
            _ => "works",
        };
        table += &format!("| {method} | `{path}` | {state} |\n");
    }
    documented("endpoints", &table);
}
