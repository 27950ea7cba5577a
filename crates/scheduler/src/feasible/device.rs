//! Which devices a group could be given: those of a name that its asks take and whose attributes meet their
//! constraints. All devices of one ask are of one name.
//!
//! Several asks may take the same devices (`gpu` and `nvidia/gpu`). What is tried first for each is what it likes most;
//! when that leaves nothing for a later one, the next.

use std::{borrow::Cow, sync::Arc};

use model::{Affinity, ClaimedDevices, Constraint, Device, DeviceAsk, DeviceGroup, DeviceName, TaskGroup};

use super::constraint::{Patterns, Test};

/// Asks of one group are few. With more than so many tries somebody plays games: then it counts as no room.
const MOST_TRIES: u32 = 10_000;

/// The device asks of a group, task by task.
pub(crate) struct DeviceAsks<'a> {
    asks: Vec<One<'a>>,
    /// Sum of the weights of all affinities without their signs.
    total_weight: i32,
    looks_at_ids: bool,
}

struct One<'a> {
    task: Arc<str>,
    ask: &'a DeviceAsk,
    /// Of what all devices of a name share.
    shared: Vec<Test<'a>>,
    /// Of each device's id.
    ids: Vec<(&'a Constraint, Test<'a>)>,
    affinities: Vec<(Test<'a>, i8)>,
}

/// What was found for one ask.
struct Pick<'d> {
    group: usize,
    devices: Vec<&'d Device>,
    weight: i32,
}

/// Devices for all asks of a group.
pub(crate) struct Devices {
    /// Per ask: the task and what it is given.
    pub(crate) given: Vec<(Arc<str>, ClaimedDevices)>,
    /// -1 to 1: how much the affinities like them; `None`: there are none.
    pub(crate) liking: Option<f64>,
}

impl<'a> DeviceAsks<'a> {
    /// `None`: no task asks for any.
    pub(crate) fn new(group: &'a TaskGroup) -> Option<Self> {
        let mut asks = Vec::new();
        let mut patterns = Patterns::default();
        for task in &group.tasks {
            for ask in &task.resources.devices {
                asks.push(One::new(task.name.as_str().into(), ask, &mut patterns));
            }
        }
        if asks.is_empty() {
            return None;
        }
        let weights = asks.iter().flat_map(|one| &one.affinities);
        let total_weight = weights.map(|(_, weight)| i32::from(weight.unsigned_abs())).sum();
        let looks_at_ids = asks.iter().any(|one| !one.ids.is_empty());
        Some(Self { asks, total_weight, looks_at_ids })
    }

    /// Whether the answer may differ between nodes of one class.
    pub(crate) fn is_unique(&self) -> bool {
        self.looks_at_ids
    }

    /// Affinities are to be heard.
    pub(crate) fn has_liking(&self) -> bool {
        self.total_weight > 0
    }

    /// The node would do, were nothing held. `with_ids`: also of what is asked of single devices.
    pub(crate) fn could_have(&self, groups: &[DeviceGroup], with_ids: bool) -> bool {
        self.pick(groups, &|_, _| Some(false), with_ids).is_some()
    }

    /// Devices for each ask. `is_free` says `None` of those that are held, and `true` of those that are better left alone.
    pub(crate) fn choose(
        &self,
        groups: &[DeviceGroup],
        is_free: &dyn Fn(&DeviceName, &Device) -> Option<bool>,
    ) -> Option<Devices> {
        let picks = self.pick(groups, is_free, true)?;
        let weight: i32 = picks.iter().map(|pick| pick.weight).sum();
        let liking = (self.total_weight > 0).then(|| f64::from(weight) / f64::from(self.total_weight));
        let given = self.asks.iter().zip(&picks).map(|(one, pick)| {
            let ids = pick.devices.iter().map(|device| device.id.clone()).collect();
            (one.task.clone(), ClaimedDevices { name: groups[pick.group].name.clone(), ids })
        });
        Some(Devices { given: given.collect(), liking })
    }

    fn pick<'d>(
        &self,
        groups: &'d [DeviceGroup],
        is_free: &dyn Fn(&DeviceName, &Device) -> Option<bool>,
        with_ids: bool,
    ) -> Option<Vec<Pick<'d>>> {
        let mut picks = Vec::with_capacity(self.asks.len());
        let mut tries = MOST_TRIES;
        self.pick_rest(groups, is_free, with_ids, &mut picks, &mut tries).then_some(picks)
    }

    /// Finds devices for the asks that have none yet; leaves `picks` as it was where it cannot.
    fn pick_rest<'d>(
        &self,
        groups: &'d [DeviceGroup],
        is_free: &dyn Fn(&DeviceName, &Device) -> Option<bool>,
        with_ids: bool,
        picks: &mut Vec<Pick<'d>>,
        tries: &mut u32,
    ) -> bool {
        let Some(one) = self.asks.get(picks.len()) else { return true };
        let mut suitable: Vec<(i32, usize)> = (0..groups.len())
            .filter(|&at| one.takes(&groups[at]))
            .map(|at| (one.weight(&groups[at]), at))
            .collect();
        suitable.sort_by_key(|&(weight, at)| (-weight, at));
        for (weight, at) in suitable {
            let Some(left) = tries.checked_sub(1) else { return false };
            *tries = left;
            let group = &groups[at];
            let taken: Vec<&str> = picks
                .iter()
                .filter(|pick| pick.group == at)
                .flat_map(|pick| pick.devices.iter().map(|device| device.id.as_str()))
                .collect();
            let mut free: Vec<(bool, &Device)> = group
                .healthy()
                .filter(|device| !taken.contains(&device.id.as_str()))
                .filter(|device| {
                    !with_ids
                        || one.ids.iter().all(|(constraint, test)| id_meets(constraint, test, &device.id))
                })
                .filter_map(|device| Some((is_free(&group.name, device)?, device)))
                .collect();
            if free.len() < one.ask.count as usize {
                continue;
            }
            free.sort_by(|a, b| a.0.cmp(&b.0).then_with(|| a.1.id.cmp(&b.1.id)));
            let devices = free.into_iter().take(one.ask.count as usize).map(|(_, device)| device).collect();
            picks.push(Pick { group: at, devices, weight });
            if self.pick_rest(groups, is_free, with_ids, picks, tries) {
                return true;
            }
            picks.pop();
        }
        false
    }
}

impl<'a> One<'a> {
    fn new(task: Arc<str>, ask: &'a DeviceAsk, patterns: &mut Patterns<'a>) -> Self {
        let (ids, shared): (Vec<_>, Vec<_>) =
            ask.constraints.iter().partition(|constraint| constraint.left == DeviceAsk::IDS);
        let mut test = |constraint: &'a Constraint| Test::new(constraint, patterns);
        Self {
            task,
            ask,
            shared: shared.into_iter().map(&mut test).collect(),
            ids: ids.into_iter().map(|constraint| (constraint, test(constraint))).collect(),
            affinities: ask
                .affinities
                .iter()
                .map(|Affinity { rule, weight }| (test(rule), *weight))
                .collect(),
        }
    }

    fn takes(&self, group: &DeviceGroup) -> bool {
        self.ask.takes(&group.name) && self.shared.iter().all(|test| meets(test, group))
    }

    fn weight(&self, group: &DeviceGroup) -> i32 {
        let liked = self.affinities.iter().filter(|(test, _)| meets(test, group));
        liked.map(|(_, weight)| i32::from(*weight)).sum()
    }
}

fn meets(test: &Test<'_>, group: &DeviceGroup) -> bool {
    let (left, right) = test.sides();
    test.holds(resolve(left, group).as_deref(), resolve(right, group).as_deref(), quantity::order)
}

/// A constraint on `${device.ids}` is asked of each device: a list names those that may be given.
fn id_meets(constraint: &Constraint, test: &Test<'_>, id: &str) -> bool {
    use model::Operand;
    let listed = || constraint.right.split(',').any(|item| item.trim() == id);
    match constraint.operand {
        Operand::Equal | Operand::SetContains | Operand::SetContainsAny => listed(),
        Operand::NotEqual => !listed(),
        _ => test.holds(Some(id), Some(&constraint.right), quantity::order),
    }
}

/// The value that a side of a constraint has for devices of a name. Text without `${` stands for itself.
fn resolve<'t>(target: &'t str, group: &'t DeviceGroup) -> Option<Cow<'t, str>> {
    let Some(name) = target.strip_prefix("${") else { return Some(target.into()) };
    let name = name.strip_suffix('}')?;
    match name {
        "device.vendor" => Some(group.name.vendor.as_str().into()),
        "device.type" => Some(group.name.kind.as_str().into()),
        "device.model" => Some(group.name.model.as_str().into()),
        "device.ids" => {
            let ids: Vec<&str> = group.devices.iter().map(|device| device.id.as_str()).collect();
            Some(ids.join(",").into())
        }
        _ => group.attributes.get(name.strip_prefix("device.attr.")?).map(|value| value.as_str().into()),
    }
}

/// `11 GiB` and `11264 MiB` are the same.
mod quantity {
    use std::cmp::Ordering;

    /// `None`: they cannot be compared, for they are of different kinds.
    pub(super) fn order(left: &str, right: &str) -> Option<Ordering> {
        match (parse(left), parse(right)) {
            (Some((a, of)), Some((b, other))) if of == other => Some(a.total_cmp(&b)),
            (Some(_), Some(_)) => None,
            _ => Some(left.cmp(right)),
        }
    }

    /// A number in its base unit, and what it counts.
    fn parse(text: &str) -> Option<(f64, &'static str)> {
        let end = text.find(|letter: char| !(letter.is_ascii_digit() || matches!(letter, '.' | '-' | '+')));
        let (number, unit) = text.split_at(end.unwrap_or(text.len()));
        let number: f64 = number.parse().ok()?;
        let (factor, of) = unit_of(unit.trim())?;
        Some((number * factor, of))
    }

    fn unit_of(unit: &str) -> Option<(f64, &'static str)> {
        let (unit, is_rate) = unit.strip_suffix("/s").map_or((unit, false), |unit| (unit, true));
        let step = |letter: &str| ["", "k", "M", "G", "T", "P", "E"].iter().position(|one| *one == letter);
        let decimal = |prefix: &str| step(prefix).map(|step| 1000_f64.powi(step as i32));
        if let Some(prefix) = unit.strip_suffix('B') {
            let of = if is_rate { "bytes per second" } else { "bytes" };
            let factor = match prefix.strip_suffix('i') {
                Some(prefix) => 1024_f64.powi(step(if prefix == "K" { "k" } else { prefix })? as i32),
                None => decimal(if prefix == "K" { "k" } else { prefix })?,
            };
            return Some((factor, of));
        }
        if is_rate {
            return None;
        }
        if unit.is_empty() {
            return Some((1.0, "number"));
        }
        if let Some(prefix) = unit.strip_suffix("Hz") {
            return Some((decimal(prefix)?, "hertz"));
        }
        let prefix = unit.strip_suffix('W')?;
        Some((if prefix == "m" { 0.001 } else { decimal(prefix)? }, "watts"))
    }

    #[cfg(test)]
    mod tests {
        use std::cmp::Ordering::{Equal, Greater, Less};

        use super::order;

        #[test]
        fn units() {
            let check = |a, b, expected| assert_eq!(order(a, b), expected, "{a} {b}");
            check("11 GiB", "11264 MiB", Some(Equal));
            check("2GiB", "2 GB", Some(Greater));
            check("1500 MHz", "1.5 GHz", Some(Equal));
            check("250 W", "0.3 kW", Some(Less));
            check("16 GB/s", "16 GB", None);
            check("3", "12", Some(Less));
            check("3", "3 MiB", None);
            check("a", "b", Some(Less));
            check("7 apples", "10 apples", Some(Greater));
        }
    }
}

#[cfg(test)]
mod tests {
    use model::{Operand, Task};

    use super::*;

    fn group(model: &str, memory: &str, ids: &[&str]) -> DeviceGroup {
        DeviceGroup {
            name: DeviceName { vendor: "nvidia".into(), kind: "gpu".into(), model: model.into() },
            attributes: [("memory".into(), memory.into())].into(),
            devices: ids
                .iter()
                .map(|id| Device { id: (*id).into(), healthy: !id.starts_with('x'), ..Device::default() })
                .collect(),
        }
    }

    fn ask(name: &str, count: u32) -> DeviceAsk {
        DeviceAsk { name: name.into(), count, ..DeviceAsk::default() }
    }

    fn rule(left: &str, operand: Operand, right: &str) -> Constraint {
        Constraint { left: left.into(), operand, right: right.into() }
    }

    #[track_caller]
    fn check(asks: &[DeviceAsk], held: &[&str], expected: Option<&[&[&str]]>) -> Option<f64> {
        let mut task = Task { name: "t".into(), ..Task::default() };
        task.resources.devices = asks.to_vec();
        let group_of = TaskGroup { tasks: vec![task], ..TaskGroup::default() };
        let all = [group("small", "4 GiB", &["s2", "s1", "xs"]), group("big", "16384 MiB", &["b1", "b2"])];
        let found = DeviceAsks::new(&group_of).unwrap();
        let is_free =
            |_: &DeviceName, device: &Device| (!held.contains(&device.id.as_str())).then_some(false);
        let found = found.choose(&all, &is_free);
        let ids: Option<Vec<Vec<String>>> =
            found.as_ref().map(|found| found.given.iter().map(|(_, given)| given.ids.clone()).collect());
        let expected: Option<Vec<Vec<String>>> = expected
            .map(|all| all.iter().map(|ids| ids.iter().map(|id| (*id).to_owned()).collect()).collect());
        assert_eq!(ids, expected);
        found.and_then(|found| found.liking)
    }

    #[test]
    fn the_lowest_free_ones_of_one_name() {
        check(&[ask("gpu", 1)], &[], Some(&[&["s1"]]));
        check(&[ask("gpu", 2)], &["s1"], Some(&[&["b1", "b2"]]));
        check(&[ask("nvidia/gpu/big", 1)], &["b1"], Some(&[&["b2"]]));
        // One is not well, and the two of each name do not add up.
        check(&[ask("gpu", 3)], &[], None);
        check(&[ask("fpga", 1)], &[], None);
    }

    #[test]
    fn asks_that_take_the_same_devices() {
        check(&[ask("gpu", 2), ask("nvidia/gpu/small", 1)], &[], Some(&[&["b1", "b2"], &["s1"]]));
        check(&[ask("gpu", 1), ask("nvidia/gpu/small", 2)], &[], Some(&[&["b1"], &["s1", "s2"]]));
        check(&[ask("gpu", 1), ask("gpu", 1)], &["s1"], Some(&[&["s2"], &["b1"]]));
    }

    #[test]
    fn constraints_and_affinities() {
        let large = rule("${device.attr.memory}", Operand::GreaterOrEqual, "10 GiB");
        let constraints = vec![large.clone()];
        check(&[DeviceAsk { constraints, ..ask("gpu", 1) }], &[], Some(&[&["b1"]]));
        let likes = vec![
            Affinity { rule: large, weight: 75 },
            Affinity { rule: rule("${device.model}", Operand::Equal, "small"), weight: 25 },
        ];
        let liking =
            check(&[DeviceAsk { affinities: likes.clone(), ..ask("gpu", 1) }], &[], Some(&[&["b1"]]));
        assert_eq!(liking, Some(0.75));
        let liking =
            check(&[DeviceAsk { affinities: likes, ..ask("gpu", 1) }], &["b1", "b2"], Some(&[&["s1"]]));
        assert_eq!(liking, Some(0.25));
        let listed = vec![rule("${device.ids}", Operand::SetContains, "b2, s2")];
        check(&[DeviceAsk { constraints: listed, ..ask("gpu", 1) }], &[], Some(&[&["s2"]]));
        let unlike = vec![
            rule("${device.ids}", Operand::NotEqual, "s1"),
            rule("${device.attr.none}", Operand::IsSet, ""),
        ];
        check(&[DeviceAsk { constraints: unlike, ..ask("gpu", 1) }], &[], None);
    }
}
