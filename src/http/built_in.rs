//! What there is one of: namespaces.

use api::Namespace;

use super::{
    Context,
    call::Call,
    failure::Failure,
    read::{Answer, read},
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
    if call.only_get().is_err() {
        return Err(Failure::absent("namespaces cannot be made or changed in this version of troupe"));
    }
    let missing = || Failure::not_found("Namespace not found");
    read(ctx, call, |_| 1, |_| if name == "default" { Ok(namespace()) } else { Err(missing()) }).await
}
