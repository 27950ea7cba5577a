//! What there is one of: namespaces, pools of nodes.

use api::{Namespace, NodePool};

use super::{
    Context,
    call::Call,
    failure::Failure,
    jobs,
    list::{Wanted, page},
    nodes,
    read::{Answer, read, read_page},
};

pub(super) fn namespace() -> Namespace {
    Namespace {
        name: String::from("default"),
        description: String::from("Default shared namespace"),
        create_index: 1,
        modify_index: 1,
        ..Namespace::default()
    }
}

pub(super) async fn namespaces(ctx: &Context, call: &Call) -> Answer {
    let list = if "default".starts_with(call.prefix()) { vec![namespace()] } else { Vec::new() };
    read(ctx, call, |_| 1, |_| Ok(list.clone())).await
}

pub(super) async fn one_namespace(ctx: &Context, call: &Call, name: &str) -> Answer {
    refuse_others(call, "namespace")?;
    let missing = || Failure::not_found("Namespace not found");
    read(ctx, call, |_| 1, |_| if name == "default" { Ok(namespace()) } else { Err(missing()) }).await
}

/// `default`, in which all nodes are, and `all`, which every node is in besides.
pub(super) fn pools() -> [NodePool; 2] {
    let pool = |name: &str, description: &str| NodePool {
        name: name.to_owned(),
        description: description.to_owned(),
        create_index: 1,
        modify_index: 1,
        ..NodePool::default()
    };
    [pool("all", "Node pool with all nodes in the cluster."), pool("default", "Default node pool.")]
}

pub(super) async fn node_pools(ctx: &Context, call: &Call) -> Answer {
    refuse_others(call, "node pool")?;
    let wanted = Wanted::of(call)?;
    let list = |_: &state::Root| {
        let pools = pools().into_iter().filter(|pool| pool.name.starts_with(call.prefix()));
        let rows = pools.map(|pool| ((0, pool.name.clone()), pool)).collect();
        page(call, rows, |pool| wanted.covers(|| pool.clone()))
    };
    read_page(ctx, call, |_| 1, list).await
}

pub(super) async fn node_pool(ctx: &Context, call: &Call, rest: &[&str]) -> Answer {
    refuse_others(call, "node pool")?;
    let name = rest.first().copied().unwrap_or_default();
    let pool = pools().into_iter().find(|pool| pool.name == name);
    let pool = pool.ok_or_else(|| Failure::not_found("node pool not found"))?;
    match rest {
        [_, "nodes"] => nodes::list(ctx, call).await,
        [_, "jobs"] => jobs::list(ctx, call).await,
        _ => read(ctx, call, |_| 1, |_| Ok(pool.clone())).await,
    }
}

fn refuse_others(call: &Call, what: &str) -> Result<(), Failure> {
    if call.only_get().is_ok() {
        return Ok(());
    }
    Err(Failure::absent(format!("{what}s cannot be made or changed in this version of troupe")))
}
