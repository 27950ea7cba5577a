//! Jobs that launch others, and tasks around the main ones.

use model::{Hook, Lifecycle, Parameterized, PayloadRule, Periodic};

use super::Reader;
use crate::job::{ParameterizedJobConfig, PeriodicConfig, TaskLifecycle};

impl From<PeriodicConfig> for Periodic {
    fn from(config: PeriodicConfig) -> Self {
        let defaults = Self::default();
        let mut specs = config.specs;
        if specs.is_empty() && !config.spec.is_empty() {
            specs.push(config.spec);
        }
        Self {
            enabled: config.enabled.unwrap_or(defaults.enabled),
            specs,
            prohibit_overlap: config.prohibit_overlap,
            time_zone: if config.time_zone.is_empty() { defaults.time_zone } else { config.time_zone },
        }
    }
}

impl Reader {
    pub(super) fn parameterized(&mut self, config: ParameterizedJobConfig) -> Parameterized {
        let payload = match config.payload.as_str() {
            "" => PayloadRule::Optional,
            text => PayloadRule::parse(text).unwrap_or_else(|| {
                self.problem(format_args!(
                    "ParameterizedJob.Payload {text:?} is not supported; use \"optional\", \"required\" or \"forbidden\""
                ));
                PayloadRule::Optional
            }),
        };
        Parameterized { payload, meta_required: config.meta_required, meta_optional: config.meta_optional }
    }

    pub(super) fn lifecycle(&mut self, lifecycle: TaskLifecycle) -> Option<Lifecycle> {
        if lifecycle.hook.is_empty() && !lifecycle.sidecar {
            return None;
        }
        let hook = Hook::parse(&lifecycle.hook);
        if hook.is_none() {
            self.problem(format_args!(
                "Lifecycle.Hook {:?} is not supported; use \"prestart\", \"poststart\" or \"poststop\"",
                lifecycle.hook
            ));
        }
        hook.map(|hook| Lifecycle { hook, sidecar: lifecycle.sidecar })
    }
}
