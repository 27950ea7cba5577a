//! What else a container sees of its host: mounts and devices, where the node allows them.

use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
};

use bollard::models::{
    DeviceMapping, Mount, MountBindOptions, MountBindOptionsPropagationEnum as Propagation,
    MountTmpfsOptions, MountType, MountVolumeOptions, MountVolumeOptionsDriverConfig,
};
use model::Value;

use super::{Options, create::fatal};
use crate::{
    actors::ports::{DriverError, TaskSpec},
    driver::config::Config,
};

type Result<T> = std::result::Result<T, DriverError>;

/// `mount` blocks, then those of the list `mounts`.
pub(super) fn mounts(spec: &TaskSpec, config: Config<'_>, options: &Options) -> Result<Vec<Mount>> {
    let blocks = config.blocks("mount")?.into_iter().chain(config.blocks("mounts")?);
    blocks.map(|block| mount(spec, Config(block), options)).collect()
}

fn mount(spec: &TaskSpec, block: Config<'_>, options: &Options) -> Result<Mount> {
    block.only(&[
        "type",
        "target",
        "source",
        "readonly",
        "bind_options",
        "tmpfs_options",
        "volume_options",
    ])?;
    let Some(target) = block.text("target")? else {
        return fatal(String::from("a mount needs a `target`, the path inside the container"));
    };
    let source = block.text("source")?;
    let mut mount = Mount { target: Some(target), read_only: block.flag("readonly")?, ..Mount::default() };
    match block.text("type")?.as_deref().unwrap_or("volume") {
        "bind" => {
            let Some(source) = source else {
                return fatal(String::from("a mount of type bind needs a `source`, a path on the host"));
            };
            mount.typ = Some(MountType::BIND);
            mount.source = Some(host_path(&spec.dirs.task, &source, options)?);
            mount.bind_options = bind_options(block)?;
        }
        "volume" if options.volumes_enabled => {
            mount.typ = Some(MountType::VOLUME);
            mount.source = source;
            mount.volume_options = volume_options(block)?;
        }
        "volume" => return fatal(String::from("volumes are not enabled; cannot use a mount of type volume")),
        "tmpfs" => {
            mount.typ = Some(MountType::TMPFS);
            mount.tmpfs_options = tmpfs_options(block)?;
        }
        other => {
            return fatal(format!(
                "the type of a mount is \"bind\", \"volume\" or \"tmpfs\", found \"{other}\""
            ));
        }
    }
    Ok(mount)
}

/// A path in the task's directory, or on the host if the node allows that.
pub(super) fn host_path(task: &Path, source: &str, options: &Options) -> Result<String> {
    if source.starts_with('/') {
        if !options.volumes_enabled {
            return fatal(format!("volumes are not enabled; cannot mount host paths: `{source}`"));
        }
        return Ok(source.to_owned());
    }
    if source.split('/').any(|part| part == "..") {
        return fatal(format!("volume `{source}` leads out of the task's directory"));
    }
    Ok(task.join(source).display().to_string())
}

fn bind_options(block: Config<'_>) -> Result<Option<MountBindOptions>> {
    let Some(inside) = block.block("bind_options")? else { return Ok(None) };
    let propagation = match Config(inside).text("propagation")?.as_deref() {
        None => None,
        Some("private") => Some(Propagation::PRIVATE),
        Some("rprivate") => Some(Propagation::RPRIVATE),
        Some("shared") => Some(Propagation::SHARED),
        Some("rshared") => Some(Propagation::RSHARED),
        Some("slave") => Some(Propagation::SLAVE),
        Some("rslave") => Some(Propagation::RSLAVE),
        Some(other) => return fatal(format!("bind_options: there is no propagation `{other}`")),
    };
    Ok(Some(MountBindOptions { propagation, ..MountBindOptions::default() }))
}

fn tmpfs_options(block: Config<'_>) -> Result<Option<MountTmpfsOptions>> {
    let Some(inside) = block.block("tmpfs_options")? else { return Ok(None) };
    let inside = Config(inside);
    // Written in octal digits or not, the number is what arrives.
    let (size_bytes, mode) = (inside.int("size")?, inside.int("mode")?);
    Ok(Some(MountTmpfsOptions { size_bytes, mode, ..MountTmpfsOptions::default() }))
}

fn volume_options(block: Config<'_>) -> Result<Option<MountVolumeOptions>> {
    let Some(inside) = block.block("volume_options")? else { return Ok(None) };
    let inside = Config(inside);
    let driver_config = match inside.block("driver_config")? {
        None => None,
        Some(driver) => {
            let driver = Config(driver);
            let options = texts(driver, "options")?;
            Some(MountVolumeOptionsDriverConfig { name: driver.text("name")?, options })
        }
    };
    let (no_copy, labels) = (inside.flag("no_copy")?, texts(inside, "labels")?);
    Ok(Some(MountVolumeOptions { no_copy, labels, driver_config, ..MountVolumeOptions::default() }))
}

/// `None` for an empty map.
pub(super) fn texts(config: Config<'_>, key: &str) -> Result<Option<HashMap<String, String>>> {
    Ok(Some(config.map(key)?.into_iter().collect::<HashMap<_, _>>()).filter(|map| !map.is_empty()))
}

/// Devices of the host, under their own path where none is given for the container.
pub(super) fn devices(config: Config<'_>) -> Result<Vec<DeviceMapping>> {
    config.blocks("devices")?.into_iter().map(device).collect()
}

fn device(block: &BTreeMap<String, Value>) -> Result<DeviceMapping> {
    let block = Config(block);
    block.only(&["host_path", "container_path", "cgroup_permissions"])?;
    let Some(host) = block.text("host_path")? else {
        return fatal(String::from("a device needs a `host_path`"));
    };
    let permissions = block.text("cgroup_permissions")?.unwrap_or_else(|| String::from("rwm"));
    if !permissions.chars().all(|letter| "rwm".contains(letter)) {
        return fatal(format!("cgroup_permissions are made of r, w and m, found `{permissions}`"));
    }
    Ok(DeviceMapping {
        path_in_container: Some(block.text("container_path")?.unwrap_or_else(|| host.clone())),
        path_on_host: Some(host),
        cgroup_permissions: Some(permissions),
    })
}
