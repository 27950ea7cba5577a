//! Which path is answered by what.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{Method, StatusCode},
    web,
};

use super::{
    Context, agent, alloc_data, alloc_looks, alloc_write, allocs, autopilot, built_in, call::Call, client,
    deployment_write, deployments, elsewhere, evals, events, failure::Failure, fs, jobs, launch, logs,
    metrics, monitor, node_meta, node_pools, node_write, nodes, operator, passed_on, plan, read::Answer,
    register, revert, scale, scaling, scheduler, search, search_fuzzy, services, snapshot, statuses,
    submission, talk,
};

pub(super) async fn answer(
    request: HttpRequest,
    payload: web::Payload,
    ctx: web::Data<Context>,
) -> HttpResponse {
    let answered = match Call::head(&request) {
        Ok(call) if talk::is_asked_for(&call) && call.method != Method::OPTIONS => {
            talk::answer(&ctx, call, &request, payload).await
        }
        _ => match Call::read(&request, payload).await {
            Ok(call) => route(&ctx, &call).await,
            Err(failure) => Err(failure),
        },
    };
    let mut response = answered.unwrap_or_else(|failure| failure.response());
    // Scripts search for `X-Nomad-Index` in what `curl -i` prints.
    response.head_mut().set_camel_case_headers(true);
    // Browsers may read what nodes know, from any page.
    if request.uri().path().starts_with("/v1/client/") {
        let headers = response.headers_mut();
        for (name, value) in [
            ("access-control-allow-origin", "*"),
            ("access-control-allow-headers", "*"),
            ("access-control-allow-credentials", "true"),
        ] {
            headers.insert(
                actix_web::http::header::HeaderName::from_static(name),
                actix_web::http::header::HeaderValue::from_static(value),
            );
        }
    }
    response
}

pub(super) async fn route(ctx: &Context, call: &Call) -> Answer {
    let path: Vec<&str> = call.path.iter().map(String::as_str).collect();
    let Some(("v1", path)) = path.split_first().map(|(first, rest)| (*first, rest)) else {
        return outside(call);
    };
    if call.method == Method::OPTIONS && path.first() == Some(&"client") {
        return Ok(HttpResponse::Ok().finish());
    }
    if let Some(target) = elsewhere::target(ctx, call, path) {
        return elsewhere::pass_on(ctx, call, target).await;
    }
    elsewhere::be_ready_to_write(ctx, call).await?;
    match path {
        ["jobs"] if call.is_write() => register::register(ctx, call, None).await,
        ["jobs"] => jobs::list(ctx, call, |_| true).await,
        ["jobs", "statuses"] => statuses::list(ctx, call).await,
        ["jobs", "parse"] => register::parse(call),
        ["validate", "job"] => register::validate(ctx, call),
        ["job", rest @ ..] if !rest.is_empty() => job(ctx, call, rest).await,

        ["allocations"] => allocs::list(ctx, call).await,
        ["allocation", id, "stop"] => alloc_write::stop(ctx, call, id).await,
        ["allocation", id, "checks"] => alloc_looks::checks(ctx, call, id).await,
        ["allocation", id, "services"] => services::of_alloc(ctx, call, id).await,
        ["allocation", id] => allocs::one(ctx, call, id).await,
        ["evaluations"] if call.method == Method::DELETE => evals::delete(ctx, call).await,
        ["evaluations"] => evals::list(ctx, call).await,
        ["evaluations", "count"] => evals::count(ctx, call).await,
        ["evaluation", id] => evals::one(ctx, call, id).await,
        ["evaluation", id, "allocations"] => evals::allocations(ctx, call, id).await,
        ["deployments"] => deployments::list(ctx, call).await,
        ["deployment", "allocations", id] => deployments::allocations(ctx, call, id).await,
        ["deployment", "fail", id] => deployment_write::fail(ctx, call, id).await,
        ["deployment", "pause", id] => deployment_write::pause(ctx, call, id).await,
        ["deployment", "promote", id] => deployment_write::promote(ctx, call, id).await,
        ["deployment", "allocation-health", id] => deployment_write::health(ctx, call, id).await,
        ["deployment", id] => deployments::one(ctx, call, id).await,
        ["nodes"] => nodes::list(ctx, call, |_| true).await,
        ["node", "pools"] => node_pools::list(ctx, call).await,
        ["node", "pool", rest @ ..] if !rest.is_empty() => node_pools::one(ctx, call, rest).await,
        ["namespaces"] => built_in::namespaces(ctx, call).await,
        ["namespace", name] => built_in::one_namespace(ctx, call, name).await,
        ["scaling", "policies"] => scaling::list(ctx, call).await,
        ["scaling", "policy", id] => scaling::one(ctx, call, id).await,
        ["services"] => services::list(ctx, call).await,
        ["service", name] => services::by_name(ctx, call, name).await,
        ["event", "stream"] => events::stream(ctx, call),
        ["node", id] => nodes::one(ctx, call, id).await,
        ["node", id, "allocations"] => nodes::allocations(ctx, call, id).await,
        ["node", id, "drain"] => node_write::drain(ctx, call, id).await,
        ["node", id, "eligibility"] => node_write::eligibility(ctx, call, id).await,
        ["node", id, "purge"] => node_write::purge(ctx, call, id).await,
        ["node", id, "evaluate"] => node_write::evaluate(ctx, call, id).await,

        ["client", "metadata"] => node_meta::metadata(ctx, call).await,
        ["client", "stats"] => client::host_stats(ctx, call).await,
        ["client", "allocation", id, "stats"] => client::alloc_stats(ctx, call, id).await,
        ["client", "allocation", id, "restart"] => alloc_write::restart(ctx, call, id).await,
        ["client", "allocation", id, "signal"] => alloc_write::signal(ctx, call, id).await,
        ["client", "allocation", id, "checks"] => alloc_looks::checks(ctx, call, id).await,
        ["client", "allocation", id, "snapshot"] => alloc_data::answer(ctx, call, id).await,
        ["client", "allocation", id, "gc"] => alloc_looks::collect_one(ctx, call, id).await,
        ["client", "gc"] => alloc_looks::collect_all(ctx, call).await,
        ["client", "fs", "ls", id] => fs::list(ctx, call, id).await,
        ["client", "fs", "stat", id] => fs::stat(ctx, call, id).await,
        ["client", "fs", "cat" | "readat" | "stream", id] => {
            Ok(passed_on::stream_response(fs::open(ctx, call, id).await?))
        }
        ["client", "fs", "logs"] | ["client", "fs", "logs", ""] => {
            Err(Failure::bad("must provide a valid alloc id"))
        }
        ["client", "fs", "logs", id] => logs::stream(ctx, call, id).await,

        ["agent", "self"] => agent::itself(ctx, call),
        ["agent", "monitor"] => monitor::stream(ctx, call).await,
        ["agent", "members"] => agent::members(ctx, call),
        ["agent", "health"] => agent::health(ctx, call),
        ["agent", "servers"] => agent::servers(ctx, call).await,
        ["agent", "join"] => agent::join(ctx, call).await,
        ["agent", "force-leave"] => agent::force_leave(ctx, call).await,
        ["agent", "reload"] => {
            call.only_write()?;
            agent::reload(ctx).await
        }
        ["status", "leader"] => agent::leader(ctx, call),
        ["status", "peers"] => agent::peers(ctx, call),
        ["regions"] => agent::regions(ctx, call),
        ["search"] => search::by_prefix(ctx, call),
        ["search", "fuzzy"] => search_fuzzy::by_part(ctx, call),
        ["metrics"] => metrics::gauges(ctx, call),
        ["system", "gc"] => register::collect(ctx, call).await,
        ["system", "reconcile", "summaries"] => register::reconcile_summaries(call),
        ["operator", "raft", "configuration"] => operator::configuration(ctx, call),
        ["operator", "raft", "peer"] => operator::remove_peer(ctx, call).await,
        ["operator", "raft", "transfer-leadership"] => operator::transfer_leadership(ctx, call).await,
        ["operator", "autopilot", "configuration"] => autopilot::configuration(ctx, call).await,
        ["operator", "autopilot", "health"] => autopilot::health(ctx, call).await,
        ["operator", "snapshot"] => snapshot::save(ctx, call).await,
        ["operator", "scheduler", "configuration"] => scheduler::configuration(ctx, call).await,

        ["acl", ..] => Err(Failure::bad("ACL support disabled")),
        ["operator", "license" | "utilization", ..]
        | ["sentinel" | "quota" | "quotas" | "recommendations", ..] => {
            Err(Failure::absent("Nomad Enterprise only endpoint"))
        }
        [name, ..] if ABSENT.contains(name) => Err(absent(call)),
        _ => Ok(HttpResponse::NotFound().finish()),
    }
}

/// First segments under which Nomad answers something that troupe does not.
const ABSENT: &[&str] = &[
    "agent",
    "allocation",
    "client",
    "deployment",
    "evaluation",
    "event",
    "namespace",
    "namespaces",
    "node",
    "operator",
    "plugin",
    "plugins",
    "scaling",
    "search",
    "service",
    "services",
    "system",
    "var",
    "vars",
    "volume",
    "volumes",
    "recommendation",
];

fn absent(call: &Call) -> Failure {
    Failure::absent(format!(
        "{} /{} is not supported by this version of troupe",
        call.method,
        call.path.join("/")
    ))
}

/// Job ids may hold slashes: what follows an id is told by the last segment.
async fn job(ctx: &Context, call: &Call, rest: &[&str]) -> Answer {
    let (last, front) = rest.split_last().expect("called with at least one segment");
    let id = front.join("/");
    if !front.is_empty() {
        match *last {
            "allocations" => return jobs::allocations(ctx, call, &id).await,
            "evaluations" => return jobs::evaluations(ctx, call, &id).await,
            "summary" => return jobs::summary(ctx, call, &id).await,
            "deployments" => return jobs::deployments(ctx, call, &id).await,
            "deployment" => return jobs::deployment(ctx, call, &id).await,
            "actions" => return jobs::actions(ctx, call, &id).await,
            "versions" => return jobs::versions(ctx, call, &id).await,
            "submission" => return submission::one(ctx, call, &id).await,
            "services" => return services::of_job(ctx, call, &id).await,
            "tag" if front.len() > 2 && front[front.len() - 2] == "versions" => {
                let (id, name) = (front[..front.len() - 2].join("/"), front[front.len() - 1]);
                return submission::tag(ctx, call, &id, name).await;
            }
            "evaluate" => return register::evaluate(ctx, call, &id).await,
            "force" if front.len() > 1 && front.last() == Some(&"periodic") => {
                return launch::force(ctx, call, &front[..front.len() - 1].join("/")).await;
            }
            "scale" if call.is_write() => return scale::scale(ctx, call, &id).await,
            "scale" => return scale::status(ctx, call, &id).await,
            "dispatch" => return launch::dispatch(ctx, call, &id).await,
            "payload" if front.len() > 1 && front.last() == Some(&"dispatch") => {
                return launch::dispatch_body(ctx, call, &front[..front.len() - 1].join("/")).await;
            }
            "plan" => return plan::plan(ctx, call, &id).await,
            "revert" => return revert::revert(ctx, call, &id).await,
            "stable" => return revert::stable(ctx, call, &id).await,
            _ => {}
        }
    }
    let id = rest.join("/");
    if call.is_write() {
        register::register(ctx, call, Some(&id)).await
    } else if call.method == Method::DELETE {
        register::deregister(ctx, call, &id).await
    } else {
        jobs::one(ctx, call, &id).await
    }
}

fn outside(call: &Call) -> Answer {
    let (path, query) = call.uri.split_at(call.uri.find('?').unwrap_or(call.uri.len()));
    match path {
        "/" => {
            let mut response = HttpResponse::build(StatusCode::TEMPORARY_REDIRECT);
            Ok(response.insert_header(("Location", format!("/ui/{query}"))).finish())
        }
        path if path.starts_with("/ui") => {
            Err(Failure::not_found("this version of troupe has no web UI; use the command line or /v1"))
        }
        _ => Ok(HttpResponse::NotFound().finish()),
    }
}
