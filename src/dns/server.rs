//! Sockets: packets in, packets out. What is in them is decided elsewhere.
//!
//! Each UDP socket has one task that answers in place: an answer from memory takes microseconds, less than handing
//! it to another task would.

use std::{
    io,
    net::{SocketAddr, TcpListener as StdTcpListener, UdpSocket as StdUdpSocket},
    os::fd::AsRawFd,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use hickory_proto::op::ResponseCode;
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, SockaddrStorage, bind, listen, setsockopt, socket, sockopt,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, UdpSocket},
    runtime::Handle,
    sync::Semaphore,
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{debug, error, info, warn};

use super::{
    answer::Resolver,
    config::{ConfigError, DnsConfig},
    forward::Forwarder,
    view::{CatalogView, ViewCache},
    wire::{Refused, Request, Transport},
};
use crate::actors::ports::{Clock, StateReader};

/// Longest question taken over UDP; real ones have less than 400 bytes.
const UDP_BUFFER: usize = 4096;
/// Packets answered in a row before other tasks of the thread get their turn.
const BURST: usize = 64;
/// One socket and task each, and the kernel spreads clients over them.
const MOST_UDP_TASKS: usize = 8;
const MOST_CONNECTIONS: usize = 1024;
/// After which a silent connection is closed.
const IDLE: Duration = Duration::from_secs(10);
/// Pause after an error of a listening socket (out of descriptors, for example), so that it does not spin.
const BREATHER: Duration = Duration::from_millis(50);

/// A running DNS server. Dropping it stops it, without waiting.
#[derive(Debug)]
pub struct DnsServer {
    addresses: Vec<SocketAddr>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

/// What every task shares.
struct Core {
    resolver: Resolver,
    state: Arc<dyn StateReader>,
    clock: Arc<dyn Clock>,
    cache: Arc<ViewCache>,
    forwarder: Forwarder,
}

/// What to do with a packet.
enum Step {
    Nothing,
    Send(Vec<u8>),
    Forward(Box<Request>),
}

impl DnsServer {
    /// Binds all sockets and serves them on `runtime`.
    ///
    /// # Errors
    /// A setting is not usable, or an address cannot be bound; nothing is served then.
    pub fn start(
        config: DnsConfig,
        state: Arc<dyn StateReader>,
        clock: Arc<dyn Clock>,
        runtime: Handle,
    ) -> io::Result<Self> {
        let _context = runtime.enter();
        let invalid = |error: ConfigError| io::Error::new(io::ErrorKind::InvalidInput, error);
        let udp_tasks = std::thread::available_parallelism().map_or(1, usize::from).clamp(1, MOST_UDP_TASKS);
        let mut sockets = Vec::new();
        for address in &config.listen {
            sockets.push(bind_both(*address, udp_tasks)?);
        }
        let addresses: Vec<SocketAddr> = sockets.iter().map(|bound| bound.address).collect();
        if let Some(own) = config.recursors.iter().find(|recursor| is_own(**recursor, &addresses)) {
            return Err(invalid(ConfigError::OwnRecursor(*own)));
        }
        let forwarder =
            Forwarder::new(config.recursors.clone(), config.recursor_strategy, config.recursor_timeout);
        let resolver = Resolver::new(config).map_err(invalid)?;
        let core = Arc::new(Core { resolver, state, clock, cache: Arc::default(), forwarder });
        let server = Self { addresses, stop: CancellationToken::new(), tasks: TaskTracker::new() };
        for bound in sockets {
            let listener = TcpListener::from_std(bound.tcp)?;
            server.spawn(&runtime, serve_tcp(core.clone(), listener, server.tasks.clone()));
            for udp in bound.udp {
                let socket = Arc::new(UdpSocket::from_std(udp)?);
                server.spawn(&runtime, serve_udp(core.clone(), socket, server.tasks.clone()));
            }
        }
        info!(addresses = ?server.addresses, "dns server listens");
        Ok(server)
    }

    /// Where it listens, in the order of the settings; ports chosen by the system are filled in.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Stops answering and waits until questions under way are done or given up.
    pub async fn shutdown(self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }

    fn spawn(&self, runtime: &Handle, task: impl Future<Output = ()> + Send + 'static) {
        let stop = self.stop.clone();
        self.tasks.spawn_on(async move { stop.run_until_cancelled(task).await.unwrap_or_default() }, runtime);
    }
}

impl Drop for DnsServer {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Core {
    fn handle(&self, packet: &[u8], transport: Transport) -> Step {
        // A bug in an answer must not take the socket down with it.
        catch_unwind(AssertUnwindSafe(|| self.step(packet, transport))).unwrap_or_else(|_| {
            error!("answering a dns question panicked");
            Step::Nothing
        })
    }

    fn step(&self, packet: &[u8], transport: Transport) -> Step {
        let request = match Request::decode(packet, transport, !self.forwarder.is_empty()) {
            Ok(request) => request,
            Err(Refused::Silence) => return Step::Nothing,
            Err(Refused::Reply(reply)) => return Step::Send(reply),
        };
        let view = CatalogView::new(self.state.root(), self.cache.clone());
        let now_unix = u64::try_from(self.clock.now().as_nanos() / 1_000_000_000).unwrap_or(0);
        let reply = self.resolver.answer(&request.question, &view, rand::random(), now_unix);
        if reply.forward && !self.forwarder.is_empty() {
            return Step::Forward(Box::new(request));
        }
        Step::Send(request.encode(reply, self.resolver.config()))
    }

    async fn forward(&self, packet: &[u8], request: &Request) -> Vec<u8> {
        let config = self.resolver.config();
        let Some(_room) = self.forwarder.enter() else {
            warn!("too many questions wait for recursors");
            return request.failed(ResponseCode::ServFail, config);
        };
        match self.forwarder.ask(packet, request.transport).await {
            Some(reply) if reply.len() <= request.limit() => reply,
            Some(_) => request.truncated(ResponseCode::NoError, config),
            None => request.failed(ResponseCode::ServFail, config),
        }
    }
}

// ---------------------------------------------------------------------------------------------- UDP

async fn serve_udp(core: Arc<Core>, socket: Arc<UdpSocket>, tasks: TaskTracker) {
    let mut buffer = vec![0; UDP_BUFFER];
    loop {
        let mut next = socket.recv_from(&mut buffer).await;
        for _ in 0..BURST {
            match next {
                Ok((length, client)) => {
                    udp_packet(&core, &socket, &tasks, &buffer[..length], client).await;
                }
                Err(ref error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(ref error) => {
                    warn!(%error, "dns udp socket failed to receive");
                    tokio::time::sleep(BREATHER).await;
                    break;
                }
            }
            next = socket.try_recv_from(&mut buffer);
        }
        // Whatever the last attempt of a full burst received is answered too.
        if let Ok((length, client)) = next {
            udp_packet(&core, &socket, &tasks, &buffer[..length], client).await;
        }
    }
}

async fn udp_packet(
    core: &Arc<Core>,
    socket: &Arc<UdpSocket>,
    tasks: &TaskTracker,
    packet: &[u8],
    client: SocketAddr,
) {
    match core.handle(packet, Transport::Udp) {
        Step::Nothing => {}
        Step::Send(reply) => send(socket, &reply, client).await,
        Step::Forward(request) => {
            let (core, socket, packet) = (core.clone(), socket.clone(), packet.to_vec());
            tasks.spawn(async move {
                let reply = core.forward(&packet, &request).await;
                send(&socket, &reply, client).await;
            });
        }
    }
}

async fn send(socket: &UdpSocket, reply: &[u8], client: SocketAddr) {
    let sent = match socket.try_send_to(reply, client) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => socket.send_to(reply, client).await,
        sent => sent,
    };
    if let Err(error) = sent {
        debug!(%client, %error, "dns reply could not be sent");
    }
}

// ---------------------------------------------------------------------------------------------- TCP

async fn serve_tcp(core: Arc<Core>, listener: TcpListener, tasks: TaskTracker) {
    let room = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    // Ends the connections together with this task.
    let open = CancellationToken::new();
    let _close = open.clone().drop_guard();
    loop {
        // Further connections wait in the kernel's queue.
        let Ok(permit) = room.clone().acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let (core, open) = (core.clone(), open.clone());
                tasks.spawn(async move {
                    let _permit = permit;
                    if let Some(Err(error)) = open.run_until_cancelled(connection(&core, stream)).await {
                        debug!(%error, "dns connection ended");
                    }
                });
            }
            Err(error) => {
                warn!(%error, "dns tcp listener failed to accept");
                tokio::time::sleep(BREATHER).await;
            }
        }
    }
}

/// Answers the questions of a connection one after the other, until it ends or falls silent.
async fn connection(core: &Core, mut stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut packet = Vec::new();
    loop {
        let length = match timeout(IDLE, stream.read_u16()).await {
            Err(_) => return Ok(()),
            Ok(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            Ok(length) => length?,
        };
        packet.resize(usize::from(length), 0);
        timeout(IDLE, stream.read_exact(&mut packet)).await??;
        let reply = match core.handle(&packet, Transport::Tcp) {
            // Nothing sensible can follow.
            Step::Nothing => return Ok(()),
            Step::Send(reply) => reply,
            Step::Forward(request) => core.forward(&packet, &request).await,
        };
        let length = u16::try_from(reply.len()).map_err(|_| io::ErrorKind::InvalidData)?;
        timeout(IDLE, stream.write_all(&[&length.to_be_bytes(), reply.as_slice()].concat())).await??;
    }
}

// ---------------------------------------------------------------------------------------------- binding

struct Bound {
    address: SocketAddr,
    tcp: StdTcpListener,
    udp: Vec<StdUdpSocket>,
}

/// TCP first: unlike the UDP sockets it does not share its port, so a second agent on the address is noticed.
fn bind_both(wanted: SocketAddr, udp_tasks: usize) -> io::Result<Bound> {
    // A free TCP port chosen by the system may be taken for UDP: then another is tried.
    let mut tries = if wanted.port() == 0 { 20 } else { 1 };
    loop {
        tries -= 1;
        match try_bind(wanted, udp_tasks) {
            Err((address, _, error)) if tries > 0 && error.kind() == io::ErrorKind::AddrInUse => {
                debug!(%address, "port taken for udp, trying another");
            }
            result => return result.map_err(|(address, protocol, error)| explain(address, protocol, &error)),
        }
    }
}

fn try_bind(wanted: SocketAddr, udp_tasks: usize) -> Result<Bound, (SocketAddr, &'static str, io::Error)> {
    let tcp = bind_tcp(wanted).map_err(|error| (wanted, "tcp", error))?;
    let address = tcp.local_addr().map_err(|error| (wanted, "tcp", error))?;
    // Nobody else may hold the port for UDP either; a socket that shares could not tell.
    drop(bind_udp(address, false).map_err(|error| (address, "udp", error))?);
    let udp = (0..udp_tasks)
        .map(|_| bind_udp(address, true))
        .collect::<io::Result<_>>()
        .map_err(|error| (address, "udp", error))?;
    Ok(Bound { address, tcp, udp })
}

fn explain(address: SocketAddr, protocol: &str, error: &io::Error) -> io::Error {
    let remedy = match error.kind() {
        io::ErrorKind::AddrInUse => {
            "another program (another agent, Consul, a local resolver) has this port: stop it or set another `ports.dns`"
        }
        io::ErrorKind::PermissionDenied => {
            "ports below 1024 need root or CAP_NET_BIND_SERVICE: grant it or set `ports.dns` to 8600"
        }
        io::ErrorKind::AddrNotAvailable => {
            "this machine has no such address: set `addresses.dns` to one that it has"
        }
        _ => "set another address or port for DNS",
    };
    io::Error::new(
        error.kind(),
        format!("cannot listen for DNS on {address} ({protocol}): {error}; {remedy}"),
    )
}

/// `shared`: with our other sockets on the same port.
fn bind_udp(address: SocketAddr, shared: bool) -> io::Result<StdUdpSocket> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let fd = socket(family(address), SockType::Datagram, flags, None)?;
    setsockopt(&fd, sockopt::ReusePort, &shared)?;
    if address.is_ipv6() {
        setsockopt(&fd, sockopt::Ipv6V6Only, &true)?;
    }
    bind(fd.as_raw_fd(), &SockaddrStorage::from(address))?;
    Ok(fd.into())
}

fn bind_tcp(address: SocketAddr) -> io::Result<StdTcpListener> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let fd = socket(family(address), SockType::Stream, flags, None)?;
    setsockopt(&fd, sockopt::ReuseAddr, &true)?;
    if address.is_ipv6() {
        setsockopt(&fd, sockopt::Ipv6V6Only, &true)?;
    }
    bind(fd.as_raw_fd(), &SockaddrStorage::from(address))?;
    listen(&fd, Backlog::new(1024)?)?;
    Ok(fd.into())
}

fn family(address: SocketAddr) -> AddressFamily {
    if address.is_ipv6() { AddressFamily::Inet6 } else { AddressFamily::Inet }
}

/// Whether a question sent to the recursor would come back to us.
fn is_own(recursor: SocketAddr, addresses: &[SocketAddr]) -> bool {
    addresses.iter().any(|own| {
        own.port() == recursor.port()
            && (own.ip() == recursor.ip() || (own.ip().is_unspecified() && recursor.ip().is_loopback()))
    })
}
