mod answers; // names, records, codes
mod packets; // sizes, cuts, bytes
mod sockets; // the server as its clients see it
pub(crate) mod world; // a state to ask about; the tests of the Consul API use it too

use std::sync::Arc;

use hickory_proto::{
    op::{Message, ResponseCode},
    rr::{DNSClass, Name, RData, Record, RecordType},
};

use self::world::World;
use super::*;

/// A fixed "now": the serial of the zone.
const NOW: u64 = 1_700_000_000;

fn question(name: &str, kind: RecordType) -> Question {
    let labels = name.split('.').filter(|label| !label.is_empty()).map(str::as_bytes);
    Question { name: Name::from_labels(labels).unwrap(), kind, class: DNSClass::IN }
}

fn view(world: &World) -> CatalogView {
    CatalogView::new(Arc::new(world.root.clone()), Arc::default())
}

fn resolver(config: DnsConfig) -> Resolver {
    Resolver::new(config).unwrap()
}

/// The answer section as sorted text, `NXDOMAIN`, or `NODATA`.
fn ask_with(config: &DnsConfig, world: &World, name: &str, kind: RecordType) -> String {
    let reply = resolver(config.clone()).answer(&question(name, kind), &view(world), 7, NOW);
    summary(&reply)
}

fn ask(world: &World, name: &str, kind: RecordType) -> String {
    ask_with(&DnsConfig::default(), world, name, kind)
}

fn summary(reply: &Reply) -> String {
    let has_soa = reply.authority.iter().any(|record| record.record_type() == RecordType::SOA);
    match reply.code {
        ResponseCode::NXDomain if has_soa && reply.answers.is_empty() => "NXDOMAIN".into(),
        ResponseCode::NoError if has_soa && reply.answers.is_empty() => "NODATA".into(),
        ResponseCode::NoError if !reply.answers.is_empty() => texts(&reply.answers).join(" "),
        code => format!("{code:?} with {} answers", reply.answers.len()),
    }
}

/// The data of records, sorted.
fn texts(records: &[Record]) -> Vec<String> {
    let mut texts: Vec<String> = records.iter().map(|record| data_text(&record.data)).collect();
    texts.sort();
    texts
}

fn data_text(data: &RData) -> String {
    match data {
        RData::SRV(srv) => format!("{}:{}", srv.target, srv.port),
        RData::TXT(txt) => {
            txt.txt_data.iter().map(|part| String::from_utf8_lossy(part).into_owned()).collect()
        }
        other => other.to_string(),
    }
}

fn decode(packet: &[u8]) -> Message {
    Message::from_vec(packet).unwrap()
}
