//! Address templates such as `{{ GetInterfaceIP "eth0" }}`: a text and the machine's interfaces -> a text.
//!
//! A pure function; whoever calls it looks at the machine. A pipeline begins with a `Get..` function, and what comes
//! out of one part goes into the next. Inside of a template nothing of the usual template language is known: no
//! `range`, no variables, no brackets.

mod interface; // an interface, its flags, the attributes that can be asked for
mod parse; // text -> parts
mod pipes; // include, exclude, sort, ...
mod ranges; // private and other special addresses

use std::net::IpAddr;

pub use interface::Interface;

use self::{
    parse::{Call, Part},
    pipes::Stream,
};

/// What the template means on a machine with these interfaces. A text without `{{` means itself.
///
/// # Errors
/// What is wrong with the template, in words. That it finds nothing is no error: the text is then empty there.
pub fn evaluate(template: &str, interfaces: &[Interface]) -> Result<String, String> {
    let mut out = String::new();
    for part in parse::parse(template)? {
        match part {
            Part::Text(text) => out.push_str(&text),
            Part::Pipeline(calls) => out.push_str(&run(&calls, interfaces)?),
        }
    }
    Ok(out)
}

/// Whether the template is well formed, on whatever machine.
///
/// # Errors
/// As `evaluate`.
pub fn check(template: &str) -> Result<(), String> {
    evaluate(template, &[]).map(drop)
}

fn run(calls: &[Call], interfaces: &[Interface]) -> Result<String, String> {
    let (first, rest) = calls.split_first().ok_or("the template is empty")?;
    let mut stream = source(first, interfaces)?;
    for call in rest {
        stream = pipes::apply(call, stream)?;
    }
    match stream {
        Stream::Text(text) => Ok(text),
        Stream::Interfaces(_) => Err(format!(
            "`{}` ends with interfaces: add `| attr \"address\"` or `| join \"address\" \" \"`",
            first.name
        )),
    }
}

/// The functions that a pipeline begins with.
fn source(call: &Call, interfaces: &[Interface]) -> Result<Stream, String> {
    let all = || interfaces.to_vec();
    let named = |name: &str| all().into_iter().filter(|interface| interface.name == name).collect::<Vec<_>>();
    let first =
        |list: Vec<Interface>| list.first().map_or_else(String::new, |found| found.address.to_string());
    let every = |list: Vec<Interface>| {
        let addresses: Vec<String> = list.iter().map(|found| found.address.to_string()).collect();
        addresses.join(" ")
    };
    let takes = |count: usize| {
        if call.args.len() == count {
            return Ok(());
        }
        let example = if count == 0 { String::new() } else { String::from(" \"eth0\"") };
        Err(format!("`{}` takes {count} argument(s), as in `{{{{ {}{example} }}}}`", call.name, call.name))
    };
    let wanted = usize::from(matches!(call.name.as_str(), "GetInterfaceIP" | "GetInterfaceIPs"));
    let stream = match call.name.as_str() {
        "GetAllInterfaces" => Stream::Interfaces(all()),
        "GetDefaultInterfaces" => Stream::Interfaces(defaults(interfaces)),
        "GetPrivateInterfaces" => Stream::Interfaces(reachable(interfaces, true)),
        "GetPublicInterfaces" => Stream::Interfaces(reachable(interfaces, false)),
        "GetPrivateIP" => Stream::Text(first(reachable(interfaces, true))),
        "GetPrivateIPs" => Stream::Text(every(reachable(interfaces, true))),
        "GetPublicIP" => Stream::Text(first(reachable(interfaces, false))),
        "GetPublicIPs" => Stream::Text(every(reachable(interfaces, false))),
        "GetInterfaceIP" => {
            takes(1)?;
            let of_it =
                named(&call.args[0]).into_iter().filter(Interface::is_forwardable).collect::<Vec<_>>();
            Stream::Text(first(pipes::sorted(of_it, "type,size")?))
        }
        "GetInterfaceIPs" => {
            takes(1)?;
            Stream::Text(every(pipes::sorted(named(&call.args[0]), "type,size")?))
        }
        name => {
            return Err(format!(
                "`{name}` is not a function that a template begins with; known are GetPrivateIP, GetPrivateIPs, \
                 GetPublicIP, GetPublicIPs, GetInterfaceIP, GetInterfaceIPs, GetAllInterfaces, GetDefaultInterfaces, \
                 GetPrivateInterfaces and GetPublicInterfaces"
            ));
        }
    };
    takes(wanted)?;
    Ok(stream)
}

fn defaults(interfaces: &[Interface]) -> Vec<Interface> {
    let on_route: Vec<&Interface> = interfaces.iter().filter(|interface| interface.default_route).collect();
    on_route.into_iter().cloned().collect()
}

/// Interfaces that are up, with an address that others can reach: private ones, or those that are not; the one of the
/// default route first, v4 before v6, small networks last.
fn reachable(interfaces: &[Interface], private: bool) -> Vec<Interface> {
    let usable = interfaces
        .iter()
        .filter(|interface| interface.up && interface.is_forwardable())
        .filter(|interface| ranges::within("6890", interface.address) == Ok(private))
        .cloned()
        .collect();
    pipes::sorted(usable, "default,type,size").unwrap_or_default()
}

/// How interfaces are called that lead to containers and virtual machines of this machine.
const INWARDS: &[&str] = &["br-", "cni", "docker", "podman", "veth", "virbr"];

/// The address that others are told when none was written: private, on the default route if there is one. Without one
/// the largest network comes first, but not that of containers: nobody else gets there.
pub fn private_address(interfaces: &[Interface]) -> Option<IpAddr> {
    let found = reachable(interfaces, true);
    let leads_in = |one: &Interface| INWARDS.iter().any(|prefix| one.name.starts_with(prefix));
    let outwards = found.iter().find(|one| one.default_route || !leads_in(one));
    outwards.or(found.first()).map(|interface| interface.address)
}

#[cfg(test)]
mod tests;
