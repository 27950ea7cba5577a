//! Services and their checks.

use std::time::Duration;

use super::{Reader, or_default};
use crate::job::{CheckRestart, Service, ServiceCheck};

impl Reader {
    /// `holder` is the task that the service stands in, none for the group's services. Names stay empty where they
    /// are: their defaults are `jobspec`'s.
    pub(super) fn service(&mut self, service: Service, holder: Option<&str>) -> model::Service {
        self.inside(format!("service {:?}", service.name), |reader| reader.service_inside(service, holder))
    }

    fn service_inside(&mut self, service: Service, holder: Option<&str>) -> model::Service {
        let address_mode = self.address_mode(&service.address_mode);
        self.absent("Connect", &service.connect);
        self.only("Namespace", &service.namespace, &["default"]);
        let on_update = self.on_update(&service.on_update, model::OnUpdate::default());
        self.only("Provider", &service.provider, &["consul", "nomad"]);
        self.only("Cluster", &service.cluster, &["default"]);
        self.absent("Identity", &service.identity);
        self.only("Kind", &service.kind, &[]);
        let weights = service.weights.map_or_else(model::Weights::default, |weights| {
            let passing = self.number("Weights.Passing", weights.passing);
            model::Weights::new(passing, self.number("Weights.Warning", weights.warning))
        });
        if let Some(holder) = holder {
            self.only("TaskName", &service.task_name, &[holder]);
        }
        let task = if holder.is_some() { String::new() } else { service.task_name };
        let runs_in = holder.map_or_else(|| task.clone(), str::to_owned);
        let checks = service
            .checks
            .into_iter()
            .map(|check| {
                let (place, restart) = (format!("check {:?}", check.name), service.check_restart.as_ref());
                self.inside(place, |reader| reader.check(check, &runs_in, on_update, restart))
            })
            .collect();
        model::Service {
            name: service.name,
            tags: service.tags,
            meta: service.meta,
            canary_tags: service.canary_tags,
            canary_meta: service.canary_meta,
            port_label: service.port_label,
            address: service.address,
            address_mode,
            tagged_addresses: service.tagged_addresses,
            enable_tag_override: service.enable_tag_override,
            weights,
            checks,
            on_update,
            provider: match service.provider.as_str() {
                "nomad" => model::Provider::Nomad,
                _ => model::Provider::Consul,
            },
            task,
        }
    }

    fn address_mode(&mut self, word: &str) -> model::AddressMode {
        if matches!(word, "alloc" | "alloc_ipv6") {
            self.problem(format_args!(
                "AddressMode {word:?} is not supported: allocations share the network of their node and have no \
                 address of their own; use \"host\""
            ));
            return model::AddressMode::default();
        }
        let words = model::AddressMode::ALL.map(model::AddressMode::as_str);
        self.only("AddressMode", word, &words);
        model::AddressMode::ALL.into_iter().find(|one| one.as_str() == word).unwrap_or_default()
    }

    fn on_update(&mut self, word: &str, default: model::OnUpdate) -> model::OnUpdate {
        let words = model::OnUpdate::ALL.map(model::OnUpdate::as_str);
        self.only("OnUpdate", word, &words);
        model::OnUpdate::ALL.into_iter().find(|one| one.as_str() == word).unwrap_or(default)
    }

    fn check(
        &mut self,
        check: ServiceCheck,
        task: &str,
        on_update: model::OnUpdate,
        restart: Option<&CheckRestart>,
    ) -> model::Check {
        let known = model::CheckKind::ALL.into_iter().find(|kind| kind.as_str() == check.kind);
        let kind = known.unwrap_or_else(|| {
            let other = &check.kind;
            self.problem(format_args!(
                "Type {other:?} is not supported; use \"tcp\", \"http\", \"grpc\" or \"script\""
            ));
            model::CheckKind::Tcp
        });
        self.only("Protocol", &check.protocol, &["http", "https"]);
        self.never("Expose", check.expose);
        let address_mode = self.address_mode(&check.address_mode);
        self.only("TaskName", &check.task_name, &[task]);
        let restart = check.check_restart.as_ref().or(restart);
        model::Check {
            name: check.name,
            kind,
            interval: self.duration("Interval", check.interval),
            timeout: self.duration("Timeout", check.timeout),
            port_label: check.port_label,
            address_mode,
            path: check.path,
            method: or_default(check.method, String::from("GET")),
            headers: check.header,
            body: check.body,
            command: check.command,
            args: check.args,
            initial_status: check.initial_status,
            success_before_passing: self.number("SuccessBeforePassing", check.success_before_passing),
            failures_before_critical: self.number("FailuresBeforeCritical", check.failures_before_critical),
            failures_before_warning: self.number("FailuresBeforeWarning", check.failures_before_warning),
            https: check.protocol == "https",
            grpc_use_tls: check.grpc_use_tls,
            grpc_service: check.grpc_service,
            tls_skip_verify: check.tls_skip_verify,
            tls_server_name: check.tls_server_name,
            notes: check.notes,
            on_update: self.on_update(&check.on_update, on_update),
            restart: restart.map(|restart| model::CheckRestart {
                limit: self.number("CheckRestart.Limit", restart.limit),
                grace: self.duration_or("CheckRestart.Grace", restart.grace, Duration::from_secs(1)),
                ignore_warnings: restart.ignore_warnings,
            }),
        }
    }
}
