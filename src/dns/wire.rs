//! Bytes to questions, and replies to bytes that the client can take.

use std::{collections::HashSet, iter};

use hickory_proto::{
    op::{Edns, Message, MessageType, Metadata, OpCode, Query, ResponseCode, emit_message_parts},
    rr::{
        Name, RData, Record,
        rdata::opt::{EdnsCode, EdnsOption},
    },
    serialize::binary::{BinEncoder, NameEncoding},
};

use super::{
    answer::{Question, Reply},
    config::DnsConfig,
};

/// What a client without EDNS0 takes over UDP.
const PLAIN_UDP: usize = 512;
/// The largest UDP payload, less room for IP options.
const LARGEST_UDP: usize = 65_467;
/// The largest message over TCP that leaves room for what middleboxes may add.
const LARGEST_TCP: usize = 65_523;
/// Answers to a plain UDP question are never more than these, whatever is configured.
const PLAIN_UDP_ANSWERS: usize = 8;
const HEADER: usize = 12;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    Udp,
    Tcp,
}

/// A packet that asks something.
#[derive(Debug, Clone)]
pub struct Request {
    pub id: u16,
    pub recursion_desired: bool,
    pub question: Question,
    pub transport: Transport,
    edns: Option<Edns>,
}

/// A packet that asks nothing we answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// Not a question at all: an answer to it could start a loop.
    Silence,
    /// The packet to send back.
    Reply(Vec<u8>),
}

impl Request {
    /// Reads a packet. `recursion`: whether recursors are configured, which replies say.
    ///
    /// # Errors
    /// What to do instead of answering.
    pub fn decode(packet: &[u8], transport: Transport, recursion: bool) -> Result<Self, Refused> {
        let Some(header) = packet.first_chunk::<HEADER>() else { return Err(Refused::Silence) };
        if header[2] & 0x80 != 0 {
            return Err(Refused::Silence);
        }
        let refuse = |code| Refused::Reply(header_only(header, code, recursion));
        if header[2] >> 3 & 0x0f != 0 {
            return Err(refuse(ResponseCode::NotImp));
        }
        // More than one question has no meaning that people agree on (RFC 9619).
        if header[4..6] != [0, 1] {
            return Err(refuse(ResponseCode::FormErr));
        }
        let mut message = Message::from_vec(packet).map_err(|_| refuse(ResponseCode::FormErr))?;
        let Some(query) = message.queries.pop() else { return Err(refuse(ResponseCode::FormErr)) };
        let request = Self {
            id: message.metadata.id,
            recursion_desired: message.metadata.recursion_desired,
            question: Question { name: query.name, kind: query.query_type, class: query.query_class },
            transport,
            edns: message.edns,
        };
        if request.edns.as_ref().is_some_and(|edns| edns.version() != 0) {
            let reply = Reply::bare(ResponseCode::BADVERS);
            return Err(Refused::Reply(request.emit(&reply, recursion, false).unwrap_or_default()));
        }
        Ok(request)
    }

    /// The largest packet that the client takes.
    pub fn limit(&self) -> usize {
        match (self.transport, &self.edns) {
            (Transport::Tcp, _) => LARGEST_TCP,
            (Transport::Udp, None) => PLAIN_UDP,
            (Transport::Udp, Some(edns)) => usize::from(edns.max_payload()).clamp(PLAIN_UDP, LARGEST_UDP),
        }
    }

    /// Writes the reply, cut to what the client takes: first the number of answers, then the authority section, then
    /// answers from the end with what belongs to them.
    pub fn encode(&self, mut reply: Reply, config: &DnsConfig) -> Vec<u8> {
        let recursion = !config.recursors.is_empty();
        let compress = !config.disable_compression;
        let mut cut = false;
        if self.limit() == PLAIN_UDP {
            let most = config.udp_answer_limit.clamp(1, PLAIN_UDP_ANSWERS);
            if reply.answers.len() > most {
                keep_answers(&mut reply, most);
                cut = true;
            }
        }
        let mut packet = self.emit(&reply, recursion, compress);
        cut |= packet.is_err();
        if packet.is_err() && !reply.authority.is_empty() {
            reply.authority.clear();
            packet = self.emit(&reply, recursion, compress);
        }
        let packet = packet.or_else(|written| self.fewer(&reply, written, recursion, compress));
        // Not even one answer fits: the client must come over TCP, configured or not.
        let Ok(mut packet) = packet else { return self.truncated(reply.code, config) };
        if cut && config.enable_truncate {
            packet[2] |= 0x02;
        }
        packet
    }

    /// A reply that says nothing but "ask over TCP".
    pub(super) fn truncated(&self, code: ResponseCode, config: &DnsConfig) -> Vec<u8> {
        let mut packet = self
            .emit(&Reply::bare(code), !config.recursors.is_empty(), true)
            .expect("header, one question (271 bytes) and a bare OPT fit into 512 bytes");
        packet[2] |= 0x02;
        packet
    }

    /// A reply with a code alone.
    pub(super) fn failed(&self, code: ResponseCode, config: &DnsConfig) -> Vec<u8> {
        self.encode(Reply::bare(code), config)
    }

    /// As many answers as fit, at least one; that one without what belongs to it if need be. `written`: how many
    /// answers found room when nothing else needed any.
    fn fewer(
        &self,
        reply: &Reply,
        written: usize,
        recursion: bool,
        compress: bool,
    ) -> Result<Vec<u8>, usize> {
        let (mut fits, mut too_many) = (0, reply.answers.len().min(written + 1));
        let mut best = Err(0);
        // From the top with growing steps (addresses are nearly right at once), then halving what is left.
        let (mut attempt, mut step) = (written.min(too_many.saturating_sub(1)), 1);
        while attempt > fits && attempt < too_many {
            let mut part = Reply {
                answers: reply.answers[..attempt].to_vec(),
                authority: Vec::new(),
                additional: reply.additional.clone(),
                ..*reply
            };
            keep_answers(&mut part, attempt);
            match self.emit(&part, recursion, compress) {
                Ok(packet) => (fits, best) = (attempt, Ok(packet)),
                Err(_) => too_many = attempt,
            }
            attempt =
                if fits == 0 && too_many > step { too_many - step } else { fits + (too_many - fits) / 2 };
            step *= 2;
        }
        best.or_else(|_: usize| {
            let one = Reply {
                answers: reply.answers.iter().take(1).cloned().collect(),
                authority: Vec::new(),
                additional: Vec::new(),
                ..*reply
            };
            self.emit(&one, recursion, compress)
        })
    }

    /// # Errors
    /// The packet is larger than the client takes: how many answers were written before it was full.
    fn emit(&self, reply: &Reply, recursion: bool, compress: bool) -> Result<Vec<u8>, usize> {
        let mut metadata = Metadata::new(self.id, MessageType::Response, OpCode::Query);
        metadata.authoritative = reply.authoritative;
        metadata.recursion_desired = self.recursion_desired;
        metadata.recursion_available = recursion;
        metadata.response_code = reply.code;
        let edns = self.edns.as_ref().map(answer_edns);
        let mut query = Query::query(self.question.name.clone(), self.question.kind);
        query.set_query_class(self.question.class);
        let mut packet = Vec::with_capacity(512);
        let mut encoder = BinEncoder::new(&mut packet);
        encoder.set_max_size(u16::try_from(self.limit()).unwrap_or(u16::MAX));
        if !compress {
            encoder.set_name_encoding(NameEncoding::Uncompressed);
        }
        let header = emit_message_parts(
            &metadata,
            &mut iter::once(&query),
            &mut reply.answers.iter(),
            &mut reply.authority.iter(),
            &mut reply.additional.iter(),
            edns.as_ref(),
            None,
            &mut encoder,
        );
        match header {
            Ok(header) if !header.metadata.truncation => Ok(packet),
            // The encoder sets TC when records did not fit.
            Ok(header) => Err(usize::from(header.counts.answers)),
            // A record that it cannot write at all does not fit either.
            Err(_) => Err(0),
        }
    }
}

/// EDNS0 of a reply: the client's own size and flags, and its subnet with the note that the answer is for everybody.
fn answer_edns(asked: &Edns) -> Edns {
    let mut edns = Edns::new();
    edns.set_version(0).set_max_payload(asked.max_payload()).set_dnssec_ok(asked.flags().dnssec_ok);
    if let Some(EdnsOption::Subnet(subnet)) = asked.option(EdnsCode::Subnet) {
        let mut subnet = *subnet;
        subnet.set_scope_prefix(0);
        edns.options_mut().insert(EdnsOption::Subnet(subnet));
    }
    edns
}

/// Keeps the first answers, and of the rest of an SRV reply what belongs to their targets.
fn keep_answers(reply: &mut Reply, count: usize) {
    reply.answers.truncate(count);
    let targets: HashSet<&Name> = reply
        .answers
        .iter()
        .filter_map(|record| match &record.data {
            RData::SRV(srv) => Some(&srv.target),
            RData::NS(ns) => Some(&ns.0),
            _ => None,
        })
        .collect();
    if !targets.is_empty() {
        let belongs = |record: &Record| targets.contains(&record.name);
        reply.additional.retain(belongs);
    }
}

/// Twelve bytes: the same id, opcode and RD, and a code.
fn header_only(asked: &[u8; HEADER], code: ResponseCode, recursion: bool) -> Vec<u8> {
    let mut packet = vec![0; HEADER];
    packet[..2].copy_from_slice(&asked[..2]);
    packet[2] = 0x80 | (asked[2] & 0x79);
    packet[3] = u8::from(recursion) << 7 | code.low();
    packet
}
