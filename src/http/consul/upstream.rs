//! A Nomad agent on the same machine offers its catalog: see docs/consul-beside-nomad.md.

use std::net::UdpSocket;

use actix_web::http::StatusCode;
use serde::Deserialize;
use serde_json::json;

use super::{
    ConsulContext,
    read::{Answer, json as answer},
};
use crate::http::{call::Call, failure::Failure};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Offer {
    /// RPC, `ip:port`.
    servers: Vec<String>,
}

pub(super) fn offered(ctx: &ConsulContext, call: &Call) -> Answer {
    let Some(upstream) = &ctx.upstream else {
        return Err(Failure::not_found("this agent has a catalog of its own"));
    };
    if !is_from_here(call) {
        return Err(Failure::new(StatusCode::FORBIDDEN, "only agents of this machine may offer a catalog"));
    }
    let offer: Offer = call.json()?;
    if let Some(bad) = offer.servers.iter().find(|address| address.parse::<std::net::SocketAddr>().is_err()) {
        return Err(Failure::bad(format!("Servers: {bad:?} is not an address such as \"10.0.0.1:4647\"")));
    }
    let counts = upstream.offer(offer.servers);
    Ok(answer(ctx, call, &json!({ "Seconds": counts.as_secs() })))
}

/// An offer says what this machine's DNS answers, so it must come from the machine itself.
fn is_from_here(call: &Call) -> bool {
    // The system lets a socket have own addresses only.
    call.peer.is_some_and(|peer| peer.is_loopback() || UdpSocket::bind((peer, 0)).is_ok())
}
