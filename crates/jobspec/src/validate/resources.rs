//! Rules of what a task asks for: amounts, whole cores, devices.

use model::{Constraint, DeviceAsk, MemoryMax, Resources, Task};

use super::Checker;
use crate::codes;

/// No machine has more; whoever asks for more has slipped.
pub(crate) const MAX_CORES: u32 = 4096;
/// The same.
pub(crate) const MAX_DEVICES: u32 = 1024;

pub(crate) const CORES_HELP: &str = "`cores` is the number of whole cores for this task alone";
pub(crate) const BOTH_HELP: &str =
    "`cpu` asks for a share in MHz, `cores` for whole cores, which count as MHz too; remove one of them";

impl Checker {
    pub(super) fn resources(&mut self, task: &Task) {
        let resources = &task.resources;
        self.enter("resources", 0, "");
        self.cpu(resources);
        if resources.memory_mb < 10 {
            let message = format!("minimum MemoryMB value is 10; got {}", resources.memory_mb);
            self.report(codes::OUT_OF_RANGE, "memory", message, "`memory` is in MB; the default is 300");
        }
        if let Some(MemoryMax::Mb(max)) = resources.memory_max
            && max < resources.memory_mb
        {
            let message = format!(
                "MemoryMaxMB value ({max}) must not be less than MemoryMB value ({})",
                resources.memory_mb
            );
            let help = "`memory` is reserved, `memory_max` is the most that may be used; -1 is no limit";
            self.report(codes::OUT_OF_RANGE, "memory_max", message, help);
        }
        for (index, device) in resources.devices.iter().enumerate() {
            self.enter("device", index, &device.name);
            self.device(device);
            self.leave();
        }
        self.leave();
    }

    fn cpu(&mut self, resources: &Resources) {
        if resources.cores > MAX_CORES {
            let message = format!("`cores` must be between 1 and {MAX_CORES}, found {}", resources.cores);
            self.report(codes::OUT_OF_RANGE, "cores", message, CORES_HELP);
        }
        if resources.cores > 0 && resources.cpu_mhz > 0 {
            let message = "a task asks for `cpu` or for `cores`, not for both";
            self.report(codes::OUT_OF_RANGE, "cores", message, BOTH_HELP);
        } else if resources.cores == 0 && resources.cpu_mhz < 1 {
            let message = format!("minimum CPU value is 1; got {}", resources.cpu_mhz);
            self.report(codes::OUT_OF_RANGE, "cpu", message, "`cpu` is in MHz; the default is 100");
        }
    }

    fn device(&mut self, device: &DeviceAsk) {
        if device.parts().is_none() {
            let message = format!("\"{}\" is not the name of a device", device.name);
            let help = "write it as \"type\", \"vendor/type\" or \"vendor/type/model\", for example `device \"nvidia/gpu\" { .. }`";
            self.report(codes::NAME, "", message, help);
        }
        if !(1..=MAX_DEVICES).contains(&device.count) {
            let message = format!("`count` must be between 1 and {MAX_DEVICES}, found {}", device.count);
            let help = "`count` is how many devices the task gets; leave the block out for none";
            self.report(codes::OUT_OF_RANGE, "count", message, help);
        }
        self.constraints(&device.constraints);
        for (index, constraint) in device.constraints.iter().enumerate() {
            self.enter("constraint", index, "");
            if constraint.operand.compares() {
                self.of_device(codes::CONSTRAINT, constraint);
            } else {
                let message = format!("`{}` is not allowed in a device", constraint.operand.as_str());
                let help = "put the constraint into the group or the job";
                self.report(codes::CONSTRAINT, "", message, help);
            }
            self.leave();
        }
        self.affinities(&device.affinities);
        for (index, affinity) in device.affinities.iter().enumerate() {
            self.enter("affinity", index, "");
            self.of_device(codes::AFFINITY, &affinity.rule);
            if affinity.rule.left == DeviceAsk::IDS {
                let message = "an affinity cannot look at single devices";
                self.report(codes::AFFINITY, "attribute", message, "write a `constraint` on `${device.ids}`");
            }
            self.leave();
        }
    }

    /// Inside a device one looks at devices: other references have no value there.
    fn of_device(&mut self, code: &'static str, rule: &Constraint) {
        let known = |name: &str| {
            matches!(name, "vendor" | "type" | "model" | "ids")
                || name.strip_prefix("attr.").is_some_and(|attribute| !attribute.is_empty())
        };
        let target = rule.left.strip_prefix("${device.").and_then(|rest| rest.strip_suffix('}'));
        if !rule.left.is_empty() && !target.is_some_and(known) {
            let message = format!("\"{}\" says nothing of a device", rule.left);
            let help = "use ${device.attr.<name>}, ${device.vendor}, ${device.type}, ${device.model} or ${device.ids}; what is asked of the node belongs into the task's own blocks";
            self.report(code, "attribute", message, help);
        }
    }
}
