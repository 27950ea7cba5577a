//! Which path is answered by what.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{
        Method, StatusCode,
        header::{HeaderName, HeaderValue},
    },
    web,
};

use super::{ConsulContext, agent, catalog, health, read::Answer};
use crate::http::{call::Call, failure::Failure};

pub(super) async fn answer(
    request: HttpRequest,
    payload: web::Payload,
    ctx: web::Data<ConsulContext>,
) -> HttpResponse {
    let mut response = match Call::read(&request, payload).await {
        Ok(call) => route(&ctx, &call).await.unwrap_or_else(|failure| failure.response()),
        Err(failure) => failure.response(),
    };
    // Spelled as Go does: some scripts look for the names without ignoring case.
    response.head_mut().set_camel_case_headers(true);
    let headers = response.headers_mut();
    headers.insert(HeaderName::from_static("x-consul-default-acl-policy"), HeaderValue::from_static("allow"));
    headers.insert(HeaderName::from_static("vary"), HeaderValue::from_static("Accept-Encoding"));
    response
}

async fn route(ctx: &ConsulContext, call: &Call) -> Answer {
    if call.path.iter().any(|part| part.chars().any(char::is_control)) {
        return Err(Failure::bad("the path holds characters that cannot be printed"));
    }
    let path: Vec<&str> = call.path.iter().map(String::as_str).collect();
    let ["v1", path @ ..] = path.as_slice() else { return outside(&path) };
    if !is_answered(path) {
        return match path {
            ["acl", ..] => Err(Failure::new(StatusCode::UNAUTHORIZED, "ACL support disabled")),
            path if is_absent(path) => Err(absent(call)),
            _ => Err(unknown(&call.path)),
        };
    }
    if call.method == Method::OPTIONS {
        return Ok(HttpResponse::Ok().insert_header(("Allow", ALLOW)).finish());
    }
    if call.method != Method::GET {
        return Ok(HttpResponse::MethodNotAllowed()
            .insert_header(("Allow", ALLOW))
            .content_type("text/plain; charset=utf-8")
            .body(format!("method {} not allowed", call.method)));
    }
    match path {
        ["catalog", "datacenters"] => catalog::datacenters(ctx, call),
        ["catalog", "nodes"] => catalog::nodes(ctx, call).await,
        ["catalog", "services"] => catalog::services(ctx, call).await,
        ["catalog", "service", rest @ ..] => {
            catalog::service(ctx, call, &named(rest, "Missing service name")?).await
        }
        ["catalog", "node", rest @ ..] => catalog::node(ctx, call, &named(rest, "Missing node name")?).await,
        ["catalog", "node-services", rest @ ..] => {
            catalog::node_services(ctx, call, &named(rest, "Missing node name")?).await
        }
        ["health", "service", rest @ ..] => {
            health::service(ctx, call, &named(rest, "Missing service name")?).await
        }
        ["health", "checks", rest @ ..] => {
            health::checks(ctx, call, &named(rest, "Missing service name")?).await
        }
        ["health", "node", rest @ ..] => health::node(ctx, call, &named(rest, "Missing node name")?).await,
        ["health", "state", rest @ ..] => {
            health::state(ctx, call, &named(rest, "Missing check state")?).await
        }
        ["agent", "self"] => agent::itself(ctx, call),
        ["agent", "version"] => agent::version(ctx, call),
        ["agent", "members"] => agent::members(ctx, call),
        ["agent", "services"] => agent::services(ctx, call),
        ["agent", "service", id] => agent::service(ctx, call, id),
        ["agent", "checks"] => agent::checks(ctx, call),
        ["status", "leader"] => agent::leader(ctx, call),
        ["status", "peers"] => agent::peers(ctx, call),
        _ => Err(unknown(&call.path)),
    }
}

const ALLOW: &str = "OPTIONS,GET";

fn is_answered(path: &[&str]) -> bool {
    match path {
        ["catalog", "datacenters" | "nodes" | "services"] => true,
        ["catalog", "service" | "node" | "node-services", _, ..] => true,
        ["health", "service" | "checks" | "node" | "state", _, ..] => true,
        ["agent", "self" | "version" | "members" | "services" | "checks"] => true,
        ["agent", "service", id] => !matches!(*id, "register" | "deregister" | "maintenance"),
        ["status", "leader" | "peers"] => true,
        _ => false,
    }
}

/// Paths under which Consul answers something that troupe does not.
fn is_absent(path: &[&str]) -> bool {
    match path {
        ["catalog", "register" | "deregister" | "connect" | "gateway-services", ..]
        | ["health", "connect" | "ingress", ..]
        | [
            "agent",
            "host" | "service" | "check" | "maintenance" | "join" | "leave" | "force-leave" | "reload"
            | "monitor" | "metrics" | "health" | "token" | "connect",
            ..,
        ] => true,
        [first, ..] => matches!(
            *first,
            "kv" | "session"
                | "txn"
                | "event"
                | "coordinate"
                | "query"
                | "snapshot"
                | "operator"
                | "config"
                | "connect"
                | "discovery-chain"
                | "peering"
                | "peerings"
                | "exported-services"
                | "internal"
                | "imported-services"
        ),
        [] => false,
    }
}

fn absent(call: &Call) -> Failure {
    let why = match call.path.get(1).map(String::as_str) {
        Some("agent" | "catalog") if call.is_write() => {
            "; services are registered by running jobs that have `service` blocks"
        }
        Some("kv" | "session" | "txn") => "; this version has no key-value store",
        _ => "",
    };
    let path = call.path.join("/");
    Failure::absent(format!("{} /{path} is not supported by this version of troupe{why}", call.method))
}

/// What follows in the path, slashes included.
fn named(rest: &[&str], missing: &str) -> Result<String, Failure> {
    let name = rest.join("/");
    if name.is_empty() { Err(Failure::bad(missing)) } else { Ok(name) }
}

fn unknown(path: &[String]) -> Failure {
    let known_prefix = path.iter().rev().skip(1).any(|part| part == "v1");
    Failure::not_found(if known_prefix {
        "Invalid URL path: not a recognized HTTP API endpoint\n"
    } else {
        "Invalid URL path: if attempting to use the HTTP API, ensure the path starts with '/v1/'\n"
    })
}

fn outside(path: &[&str]) -> Answer {
    match path {
        [""] => Ok(HttpResponse::Ok()
            .content_type("text/plain; charset=utf-8")
            .body("Consul API of troupe: this version has no web UI; the API is under /v1/")),
        ["ui", ..] => Err(Failure::not_found("this version of troupe has no web UI; the API is under /v1/")),
        path => Err(unknown(&path.iter().map(|part| (*part).to_owned()).collect::<Vec<_>>())),
    }
}
