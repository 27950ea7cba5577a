//! Questions that are not ours go to the recursors, as the packets they are.

use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, UdpSocket},
    sync::{Semaphore, SemaphorePermit},
    time::timeout,
};
use tracing::debug;

use super::{config::RecursorStrategy, wire::Transport};

/// Questions under way to recursors; more are refused at once rather than queued behind slow ones.
const MOST_UNDER_WAY: usize = 1024;
const HEADER: usize = 12;

#[derive(Debug)]
pub(super) struct Forwarder {
    recursors: Vec<SocketAddr>,
    strategy: RecursorStrategy,
    patience: Duration,
    room: Semaphore,
}

impl Forwarder {
    pub(super) fn new(recursors: Vec<SocketAddr>, strategy: RecursorStrategy, patience: Duration) -> Self {
        Self { recursors, strategy, patience, room: Semaphore::new(MOST_UNDER_WAY) }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.recursors.is_empty()
    }

    /// The right to have one more question under way. `None`: too many are.
    pub(super) fn enter(&self) -> Option<SemaphorePermit<'_>> {
        self.room.try_acquire().ok()
    }

    /// Asks one recursor after the other. `None`: no one of them had an answer.
    pub(super) async fn ask(&self, packet: &[u8], transport: Transport) -> Option<Vec<u8>> {
        let question = question_of(packet)?;
        let first = match self.strategy {
            RecursorStrategy::Sequential => 0,
            RecursorStrategy::Random => rand::random_range(0..self.recursors.len().max(1)),
        };
        let order = self.recursors.iter().cycle().skip(first).take(self.recursors.len());
        // A number of our own: whoever wants to answer in the recursor's place must guess it.
        let id: [u8; 2] = rand::random();
        let mut asked = packet.to_vec();
        asked[..2].copy_from_slice(&id);
        for recursor in order {
            let exchange = async {
                match transport {
                    Transport::Udp => over_udp(*recursor, &asked, question).await,
                    Transport::Tcp => over_tcp(*recursor, &asked).await,
                }
            };
            match timeout(self.patience, exchange).await {
                Ok(Ok(mut reply)) if is_answer(&reply, id, question) => {
                    reply[..2].copy_from_slice(&packet[..2]);
                    reply[3] |= 0x80;
                    return Some(reply);
                }
                Ok(Ok(_)) => debug!(%recursor, "recursor gave no usable answer"),
                Ok(Err(error)) => debug!(%recursor, %error, "recursor cannot be asked"),
                Err(_) => debug!(%recursor, "recursor did not answer in time"),
            }
        }
        None
    }
}

/// The question section of a packet with one question, as it is written.
fn question_of(packet: &[u8]) -> Option<&[u8]> {
    let mut at = HEADER;
    loop {
        match *packet.get(at)? {
            0 => return packet.get(HEADER..at + 5),
            length if length < 64 => at += usize::from(length) + 1,
            // A pointer: nothing stands before it that it could point to.
            _ => return None,
        }
    }
}

fn is_reply_to(reply: &[u8], id: [u8; 2], question: &[u8]) -> bool {
    reply.len() >= HEADER
        && reply[..2] == id
        && reply[2] & 0x80 != 0
        && question_of(reply).is_some_and(|echo| echo.eq_ignore_ascii_case(question))
}

/// The name is there or certainly is not; anything else, somebody else may know.
fn is_answer(reply: &[u8], id: [u8; 2], question: &[u8]) -> bool {
    is_reply_to(reply, id, question) && matches!(reply[3] & 0x0f, 0 | 3)
}

async fn over_udp(recursor: SocketAddr, asked: &[u8], question: &[u8]) -> io::Result<Vec<u8>> {
    let any: SocketAddr = match recursor {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(any).await?;
    socket.connect(recursor).await?;
    socket.send(asked).await?;
    let mut reply = vec![0; 65_535];
    loop {
        let length = socket.recv(&mut reply).await?;
        // Anything else is somebody guessing: the true answer may still come.
        if is_reply_to(&reply[..length], [asked[0], asked[1]], question) {
            reply.truncate(length);
            return Ok(reply);
        }
    }
}

async fn over_tcp(recursor: SocketAddr, asked: &[u8]) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(recursor).await?;
    let length = u16::try_from(asked.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    stream.write_all(&[&length.to_be_bytes(), asked].concat()).await?;
    let length = stream.read_u16().await?;
    let mut reply = vec![0; usize::from(length)];
    stream.read_exact(&mut reply).await?;
    Ok(reply)
}
