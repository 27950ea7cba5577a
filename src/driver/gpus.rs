//! NVIDIA's graphics cards, as their kernel module shows them below `/proc/driver/nvidia`. Others are not looked for.

use std::{collections::BTreeMap, fs, path::Path};

use model::{Device, DeviceGroup, DeviceName};

/// The cards by model, in the order of models and ids. Empty where there is no such module.
pub(super) fn nvidia(module: &Path) -> Vec<DeviceGroup> {
    let Ok(entries) = fs::read_dir(module.join("gpus")) else { return Vec::new() };
    let version = version(&fs::read_to_string(module.join("version")).unwrap_or_default());
    let mut groups: BTreeMap<String, Vec<Device>> = BTreeMap::new();
    for entry in entries.flatten() {
        let text = fs::read_to_string(entry.path().join("information")).unwrap_or_default();
        let bus = entry.file_name().to_string_lossy().into_owned();
        if let Some((model, device)) = card(&text, bus) {
            groups.entry(model).or_default().push(device);
        }
    }
    let group = |(model, mut devices): (String, Vec<Device>)| {
        devices.sort_by(|a, b| a.id.cmp(&b.id));
        let attributes = version.iter().map(|version| (String::from("driver_version"), version.clone()));
        DeviceGroup {
            name: DeviceName { vendor: String::from("nvidia"), kind: String::from("gpu"), model },
            attributes: attributes.collect(),
            devices,
        }
    };
    groups.into_iter().map(group).collect()
}

/// Model and card of a file `information`: lines of `name: value`.
fn card(text: &str, pci_bus_id: String) -> Option<(String, Device)> {
    let field = |name: &str| {
        text.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            (key.trim() == name).then(|| value.trim().to_owned()).filter(|value| !value.is_empty())
        })
    };
    let model = field("Model")?;
    // The module shows question marks until it has talked to the card.
    let id = field("GPU UUID").filter(|id| !id.contains('?'));
    let healthy = id.is_some();
    let description = if healthy { "" } else { "The kernel module does not know the card's UUID yet" };
    let id = id.unwrap_or_else(|| pci_bus_id.clone());
    Some((model, Device { id, healthy, description: description.into(), pci_bus_id }))
}

/// `NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.104.05  Sat Aug 19 01:15:15 UTC 2023`
fn version(text: &str) -> Option<String> {
    let line = text.lines().find(|line| line.starts_with("NVRM version"))?;
    let is_version = |word: &&str| {
        word.contains('.') && word.chars().all(|letter| letter.is_ascii_digit() || letter == '.')
    };
    line.split_whitespace().find(is_version).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cards_by_model() {
        let dir = std::env::temp_dir().join(format!("troupe-gpus-{}", std::process::id()));
        let put = |bus: &str, text: &str| {
            fs::create_dir_all(dir.join("gpus").join(bus)).unwrap();
            fs::write(dir.join("gpus").join(bus).join("information"), text).unwrap();
        };
        assert_eq!(nvidia(&dir), []);
        put("0000:00:1f.0", "Model: \t\t Tesla T4\nIRQ:   \t\t 10\nGPU UUID: \t GPU-b\n");
        put("0000:00:1e.0", "Model: \t\t Tesla T4\nGPU UUID: \t GPU-a\n");
        put("0000:00:1d.0", "Model: \t\t A100\nGPU UUID: \t GPU-????????-????\n");
        put("0000:00:1c.0", "nonsense");
        let line =
            "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.104.05  Sat Aug 19 01:15:15 UTC 2023\n";
        fs::write(dir.join("version"), line).unwrap();
        let found = nvidia(&dir);
        fs::remove_dir_all(&dir).unwrap();
        let names: Vec<String> = found.iter().map(|group| group.name.to_string()).collect();
        assert_eq!(names, ["nvidia/gpu/A100", "nvidia/gpu/Tesla T4"]);
        assert!(!found[0].devices[0].healthy);
        assert_eq!(found[0].devices[0].id, "0000:00:1d.0");
        let ids: Vec<&str> = found[1].devices.iter().map(|device| device.id.as_str()).collect();
        assert_eq!(ids, ["GPU-a", "GPU-b"]);
        assert_eq!(found[1].attributes["driver_version"], "535.104.05");
    }
}
