//! Which path is answered by what.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{
        Method, StatusCode,
        header::{HeaderName, HeaderValue},
    },
    web,
};

use super::{ConsulContext, agent, catalog, cluster, health, read::Answer, upstream};
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
    let Some(allowed) = methods(path) else {
        return match path {
            ["acl", ..] => Err(Failure::new(StatusCode::UNAUTHORIZED, "ACL support disabled")),
            path if is_absent(path) => Err(absent(call)),
            _ => Err(unknown(&call.path)),
        };
    };
    let allow = format!("OPTIONS,{allowed}");
    if call.method == Method::OPTIONS {
        return Ok(HttpResponse::Ok().insert_header(("Allow", allow)).finish());
    }
    if allowed.split(',').all(|method| call.method.as_str() != method) {
        return Ok(HttpResponse::MethodNotAllowed()
            .insert_header(("Allow", allow))
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
        ["agent", "troupe", "upstream"] => upstream::offered(ctx, call),
        ["agent", "version"] => agent::version(ctx, call),
        ["agent", "members"] => agent::members(ctx, call),
        ["agent", "services"] => agent::services(ctx, call),
        ["agent", "service", id] => agent::service(ctx, call, id),
        ["agent", "checks"] => agent::checks(ctx, call),
        ["agent", "join", address] => cluster::join(ctx, address).await,
        ["agent", "leave"] => cluster::leave(ctx).await,
        ["agent", "force-leave", name] => cluster::force_leave(ctx, call, name).await,
        ["agent", "reload"] => cluster::reload(ctx).await,
        ["status", "leader"] => cluster::leader(ctx, call).await,
        ["status", "peers"] => cluster::peers(ctx, call).await,
        ["operator", "raft", "configuration"] => cluster::raft_configuration(ctx, call).await,
        ["operator", "raft", "peer"] => cluster::remove_peer(ctx, call).await,
        ["operator", "raft", "transfer-leader"] => cluster::transfer_leader(ctx, call).await,
        ["operator", "autopilot", "configuration"] if call.is_write() => {
            cluster::set_autopilot(ctx, call).await
        }
        ["operator", "autopilot", "configuration"] => cluster::autopilot(ctx, call).await,
        ["operator", "autopilot", "health"] => cluster::health(ctx, call).await,
        ["operator", "autopilot", "state"] => cluster::state(ctx, call).await,
        _ => Err(unknown(&call.path)),
    }
}

/// The methods of a path that is answered.
fn methods(path: &[&str]) -> Option<&'static str> {
    let is_read = match path {
        ["catalog", "datacenters" | "nodes" | "services"] => true,
        ["catalog", "service" | "node" | "node-services", _, ..] => true,
        ["health", "service" | "checks" | "node" | "state", _, ..] => true,
        ["agent", "self" | "version" | "members" | "services" | "checks"] => true,
        ["agent", "service", id] => !matches!(*id, "register" | "deregister" | "maintenance"),
        ["status", "leader" | "peers"] => true,
        ["operator", "raft", "configuration"] | ["operator", "autopilot", "health" | "state"] => true,
        _ => false,
    };
    match path {
        _ if is_read => Some("GET"),
        ["agent", "join" | "force-leave", name] if !name.is_empty() => Some("PUT"),
        ["agent", "leave" | "reload"] | ["agent", "troupe", "upstream"] => Some("PUT"),
        ["operator", "raft", "peer"] => Some("DELETE"),
        ["operator", "raft", "transfer-leader"] => Some("POST"),
        ["operator", "autopilot", "configuration"] => Some("GET,PUT"),
        _ => None,
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
