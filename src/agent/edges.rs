//! Wires what faces users: both HTTP APIs, DNS, and requests of other agents' users.

use std::{
    future::Future,
    net::{SocketAddr, TcpListener},
    sync::Arc,
};

use actix::{Arbiter, ArbiterHandle};
use futures::{StreamExt, stream};
use model::NodeId;
use tokio::{
    runtime::Handle,
    sync::{oneshot, watch},
};

use super::{
    access::{LocalNode, NoNode},
    config::Config,
    logging::OwnLog,
    members,
    node::NodeSide,
    sources::{RandomIds, SystemClock},
    start::StartError,
};
use crate::{
    actors::ports::{
        Consensus, Leadership, Members, NodeAccess, Proposer, Reload, StateReader, Upstream, WebAnswer,
        WebRequest, WebStream,
    },
    dns::{DnsConfig, DnsServer},
    http::{
        self, AgentInfo,
        consul::{ConsulAgent, ConsulContext},
        events::EventFeed,
    },
    net::{remote::Carrier, rpc, web},
};

/// The Consul release whose API is answered; clients compare it.
const CONSUL_VERSION: &str = "1.21.3";

/// What answers are made from.
pub(super) struct Inside<'a> {
    pub state: Arc<dyn StateReader>,
    pub proposer: Arc<dyn Proposer>,
    pub consensus: Arc<dyn Consensus>,
    pub members: Arc<dyn Members>,
    pub carrier: Carrier,
    pub leadership: watch::Receiver<Leadership>,
    pub node: Option<&'a NodeSide>,
    pub id: NodeId,
    pub upstream: Option<Arc<dyn Upstream>>,
    pub configuration: Arc<dyn Reload>,
}

/// The agent's faces to users.
pub(super) struct Edges {
    nomad: http::Context,
    consul: ConsulContext,
    servers: Vec<actix_web::dev::ServerHandle>,
    dns: Option<DnsServer>,
    /// Answers what other agents pass on.
    desk: Arbiter,
}

impl Edges {
    /// DNS answers from now on; the HTTP doors are opened by [`Edges::serve`].
    ///
    /// # Errors
    /// The DNS port cannot be had.
    pub(super) fn new(config: &Config, inside: Inside<'_>, runtime: &Handle) -> Result<Self, StartError> {
        let Inside {
            state,
            proposer,
            consensus,
            members,
            carrier,
            leadership,
            node,
            id,
            upstream,
            configuration,
        } = inside;
        let nodes: Arc<dyn NodeAccess> = match node {
            Some(side) => Arc::new(LocalNode {
                node: side.node.id,
                agent: side.agent.clone(),
                drivers: side.drivers.clone(),
                disk: side.disk.clone(),
                data: side.data.clone(),
                host: side.host.clone(),
            }),
            None => Arc::new(NoNode),
        };
        let dns = serve_dns(config, &state, runtime)?;
        let dns_port = dns.as_ref().and_then(|dns| dns.addresses().first().map(SocketAddr::port));
        let advertise = &config.advertise;
        let info = AgentInfo {
            name: config.name.clone(),
            region: config.region.clone(),
            datacenter: config.datacenter.clone(),
            version: env!("CARGO_PKG_VERSION").into(),
            http_address: advertise.http.address.to_string(),
            rpc_address: advertise.rpc.address.to_string(),
            gossip_address: advertise.gossip.address.to_string(),
            is_server: config.server,
            node: node.map(|side| side.node.id),
            config: super::shown_config(config),
            leadership: leadership.clone(),
        };
        let ports = http::Ports {
            state: state.clone(),
            proposer,
            clock: Arc::new(SystemClock),
            ids: Arc::new(RandomIds),
            nodes,
            members,
            consensus,
            elsewhere: Arc::new(web::OtherAgents(carrier)),
            log: Arc::new(OwnLog),
            configuration,
        };
        let consul = ConsulAgent {
            name: config.name.clone(),
            datacenter: config.datacenter.clone(),
            address: node
                .map_or_else(|| advertise.rpc.address.ip().to_string(), |side| side.node.address.clone()),
            version: CONSUL_VERSION.into(),
            is_server: config.server,
            node: Some(id),
            rpc_address: advertise.rpc.address.to_string(),
            dns_port: dns_port.unwrap_or(0),
            pretty: config.dev,
            leadership,
        };
        let mut nomad = http::Context::new(ports, info);
        if config.server {
            nomad = nomad.with_events(EventFeed::start(state.clone(), runtime));
        }
        Ok(Self {
            consul: ConsulContext::new(nomad.clone(), consul, upstream),
            nomad,
            servers: Vec::new(),
            dns,
            desk: Arbiter::new(),
        })
    }

    /// Answers requests that other agents pass on.
    pub(super) fn register(&self, router: &mut rpc::Router) {
        let (desk, ctx) = (self.desk.handle(), self.nomad.clone());
        let answer = move |request: WebRequest| {
            let ctx = ctx.clone();
            let answered = at(&desk, move || async move { http::answer_for(&ctx, request).await });
            async move { answered.await.unwrap_or_else(|_| ending()) }
        };
        let (desk, ctx) = (self.desk.handle(), self.nomad.clone());
        let flow = move |request: WebRequest| {
            let ctx = ctx.clone();
            let flowing = at(&desk, move || async move { http::stream_for(&ctx, request).await });
            async move { flowing.await.unwrap_or_else(|_| ended()) }
        };
        let (desk, ctx) = (self.desk.handle(), self.nomad.clone());
        let talk = move |request: WebRequest, input| {
            let ctx = ctx.clone();
            let talking = at(&desk, move || async move { http::talk_for(&ctx, request, input).await });
            async move { talking.await.unwrap_or_else(|_| ended()) }
        };
        web::register(router, answer, flow, talk);
    }

    /// Opens the doors.
    pub(super) fn serve(
        &mut self,
        nomad: Vec<TcpListener>,
        consul: Vec<TcpListener>,
    ) -> Result<(), StartError> {
        let words = |error: std::io::Error| StartError::Other(error.to_string());
        if !nomad.is_empty() {
            let nomad = http::serve(self.nomad.clone(), nomad, 2).map_err(words)?;
            self.servers.push(nomad.handle());
            actix::spawn(nomad);
        }
        if !consul.is_empty() {
            let consul = http::consul::serve(self.consul.clone(), consul, 1).map_err(words)?;
            self.servers.push(consul.handle());
            actix::spawn(consul);
        }
        Ok(())
    }

    /// Where DNS answers, if it does.
    pub(super) fn dns(&self) -> Option<SocketAddr> {
        self.dns.as_ref().and_then(|dns| dns.addresses().first().copied())
    }

    pub(super) async fn stop(self) {
        for handle in &self.servers {
            handle.stop(false).await;
        }
        if let Some(dns) = self.dns {
            dns.shutdown().await;
        }
        self.desk.stop();
    }
}

fn serve_dns(
    config: &Config,
    state: &Arc<dyn StateReader>,
    runtime: &Handle,
) -> Result<Option<DnsServer>, StartError> {
    if config.listen.dns.is_empty() {
        return Ok(None);
    }
    let settings = DnsConfig {
        listen: config.listen.dns.clone(),
        domain: config.domain.clone(),
        datacenter: config.datacenter.clone(),
        recursors: members::recursors(config)?,
        ..DnsConfig::default()
    };
    DnsServer::start(settings, state.clone(), Arc::new(SystemClock), runtime.clone())
        .map(Some)
        .map_err(|error| StartError::Other(error.to_string()))
}

/// Handlers of requests belong to one thread: they run at the desk.
fn at<T, F, A>(desk: &ArbiterHandle, work: F) -> oneshot::Receiver<T>
where
    T: Send + 'static,
    F: FnOnce() -> A + Send + 'static,
    A: Future<Output = T> + 'static,
{
    let (answer, answered) = oneshot::channel();
    desk.spawn_fn(move || {
        actix::spawn(async move {
            // Who asked may be gone.
            let _ = answer.send(work().await);
        });
    });
    answered
}

fn ended() -> WebStream {
    let body = stream::once(async { Ok(ending().body) }).boxed();
    WebStream { status: 503, headers: Vec::new(), body }
}

fn ending() -> WebAnswer {
    WebAnswer { status: 503, headers: Vec::new(), body: "this agent is ending".into() }
}
