//! Services of allocations, from the catalog: there is one for both APIs.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use api::{ServiceList, ServiceRegistration, ServiceStub};
use model::AllocId;
use state::{Root, ServiceInstance};

use super::{
    Context,
    call::Call,
    failure::Failure,
    jobs::{key, missing},
    list::{Wanted, page},
    read::{Answer, read, read_page},
};

/// The namespace of the job that it belongs to; empty for an agent's own.
fn namespace(service: &ServiceInstance) -> &str {
    service.job.as_ref().map_or("", |job| &*job.namespace)
}

pub(super) fn registration(service: &ServiceInstance) -> ServiceRegistration {
    ServiceRegistration {
        id: service.id.clone(),
        service_name: service.name.to_string(),
        namespace: namespace(service).to_owned(),
        node_id: service.node.to_string(),
        datacenter: service.datacenter.clone(),
        job_id: service.job.as_ref().map(|job| job.id.to_string()).unwrap_or_default(),
        alloc_id: service.alloc.map(|id| id.to_string()).unwrap_or_default(),
        tags: service.tags.clone(),
        address: service.address.clone(),
        port: service.port,
        create_index: service.create_index,
        modify_index: service.modify_index,
    }
}

/// Names, with the tags of all instances.
pub(super) async fn list(ctx: &Context, call: &Call) -> Answer {
    read(
        ctx,
        call,
        |root| root.indexes.services,
        |root| {
            let mut found: BTreeMap<&str, BTreeMap<&str, BTreeSet<&String>>> = BTreeMap::new();
            for service in root.all_services().filter(|service| service.alloc.is_some()) {
                if call.sees(namespace(service)) && service.name.starts_with(call.prefix()) {
                    let names = found.entry(namespace(service)).or_default();
                    names.entry(&service.name).or_default().extend(&service.tags);
                }
            }
            let stub = |(name, tags): (&str, BTreeSet<&String>)| ServiceStub {
                service_name: name.to_owned(),
                tags: tags.into_iter().cloned().collect(),
            };
            let lists = found.into_iter().map(|(namespace, names)| ServiceList {
                namespace: namespace.to_owned(),
                services: names.into_iter().map(stub).collect(),
            });
            Ok(lists.collect::<Vec<_>>())
        },
    )
    .await
}

/// The instances of one name.
pub(super) async fn by_name(ctx: &Context, call: &Call, name: &str) -> Answer {
    let wanted = Wanted::of(call)?;
    let choice = call.text("choose").map(Choice::read).transpose()?;
    read_page(
        ctx,
        call,
        |root| match root.service_index(name) {
            0 => root.indexes.services,
            index => index,
        },
        |root| {
            let services = root.service(name).filter(|service| service.alloc.is_some());
            let services: Vec<&Arc<ServiceInstance>> =
                services.filter(|service| call.sees(namespace(service))).collect();
            let services = match &choice {
                Some(choice) => choice.choose(services),
                None => services,
            };
            let rows = services
                .into_iter()
                .map(|service| ((0, format!("{}.{}", namespace(service), service.id)), registration(service)))
                .collect();
            page(call, rows, |row| wanted.covers(|| row.clone()))
        },
    )
    .await
}

pub(super) async fn of_job(ctx: &Context, call: &Call, id: &str) -> Answer {
    let key = key(call, id);
    read(
        ctx,
        call,
        |root| root.indexes.services.max(root.indexes.jobs),
        |root| {
            if !root.jobs.contains_key(&key) {
                return Err(missing());
            }
            Ok(listed(root, |service| service.job.as_ref() == Some(&key)))
        },
    )
    .await
}

pub(super) async fn of_alloc(ctx: &Context, call: &Call, id: &str) -> Answer {
    let id: Option<AllocId> = id.parse().ok();
    read(
        ctx,
        call,
        |root| root.indexes.services.max(root.indexes.allocs),
        |root| {
            if !id.is_some_and(|id| root.allocs.contains_key(&id)) {
                return Err(Failure::not_found("alloc not found"));
            }
            Ok(listed(root, |service| service.alloc == id))
        },
    )
    .await
}

fn listed(root: &Root, belongs: impl Fn(&ServiceInstance) -> bool) -> Vec<ServiceRegistration> {
    let services = root.all_services().filter(|service| service.alloc.is_some() && belongs(service));
    services.map(|service| registration(service)).collect()
}

/// `choose=2|key`: the same instances for the same key, as long as they are there.
struct Choice<'a> {
    count: usize,
    key: &'a str,
}

impl<'a> Choice<'a> {
    fn read(text: &'a str) -> Result<Self, Failure> {
        let read = text.split_once('|').and_then(|(count, key)| Some((count.trim().parse().ok()?, key)));
        match read {
            Some((count, key)) if count > 0 && !key.is_empty() => Ok(Self { count, key }),
            _ => Err(Failure::bad(format!(
                "choose is <number>|<key>, as in choose=2|my-allocation; found {text:?}"
            ))),
        }
    }

    /// Rendezvous hashing: each instance draws a number from the key, and the highest win.
    fn choose<'s>(&self, mut services: Vec<&'s Arc<ServiceInstance>>) -> Vec<&'s Arc<ServiceInstance>> {
        let draw = |service: &Arc<ServiceInstance>| {
            // FNV-1a, and a last stir so that close names draw far apart.
            let bytes = self.key.bytes().chain([0]).chain(service.id.bytes());
            let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
            });
            (hash ^ hash >> 33).wrapping_mul(0xff51_afd7_ed55_8ccd) ^ hash >> 29
        };
        services.sort_by_key(|service| std::cmp::Reverse(draw(service)));
        services.truncate(self.count);
        services
    }
}
