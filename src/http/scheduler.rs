//! How the scheduler works: what operators read and change.

use api::{SchedulerConfiguration, SchedulerConfigurationResponse, SchedulerConfigurationUpdate};
use state::{Command, Outcome, Refusal};

use super::{
    Context,
    call::Call,
    failure::Failure,
    read::{Answer, json},
    write::propose_any,
};

pub(super) async fn configuration(ctx: &Context, call: &Call) -> Answer {
    if call.is_write() {
        return set(ctx, call).await;
    }
    call.only_get()?;
    ctx.consensus.catch_up(call.consistency()?).await?;
    let root = ctx.state.root();
    let answer = SchedulerConfigurationResponse {
        scheduler_config: SchedulerConfiguration::from(&*root.scheduler),
        index: root.scheduler.modify_index.max(1),
        known_leader: ctx.consensus.leadership().leader_address.is_some(),
        ..SchedulerConfigurationResponse::default()
    };
    Ok(json(call, &answer))
}

/// Says `Updated: false`, and changes nothing, when `cas` is not the index of what would be replaced.
async fn set(ctx: &Context, call: &Call) -> Answer {
    let wanted: SchedulerConfiguration = call.json()?;
    let settings = wanted.into_model().map_err(|refused| Failure::problems(&refused.problems))?;
    let command = Command::SetScheduler { settings, enforce_index: call.number("cas")? };
    let (index, outcome) = propose_any(ctx, command).await?;
    let updated = match outcome {
        Outcome::Refused(Refusal::SchedulerChanged { .. }) => false,
        Outcome::Refused(refusal) => return Err(Failure::server(refusal.to_string())),
        _ => true,
    };
    Ok(json(call, &SchedulerConfigurationUpdate { updated, index }))
}
