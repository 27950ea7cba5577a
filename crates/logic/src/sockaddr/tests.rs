use super::*;

fn interface(name: &str, address: &str) -> Interface {
    let (ip, prefix) = address.split_once('/').unwrap();
    let address: IpAddr = ip.parse().unwrap();
    Interface {
        name: name.into(),
        address,
        prefix: prefix.parse().unwrap(),
        default_route: name == "eth0",
        up: name != "eth9",
        loopback: name == "lo",
        broadcast: name != "lo",
        multicast: name != "lo",
        point_to_point: false,
    }
}

/// A VM of a tutorial: a NAT interface that all VMs have alike, and one of the private network.
fn vm() -> Vec<Interface> {
    vec![
        interface("lo", "127.0.0.1/8"),
        interface("lo", "::1/128"),
        interface("docker0", "172.17.0.1/16"),
        interface("eth0", "10.0.2.15/24"),
        interface("eth0", "fe80::1/64"),
        interface("eth1", "192.168.33.10/24"),
        interface("eth1", "fd00::10/64"),
        interface("eth2", "8.8.4.4/29"),
        interface("eth9", "10.9.9.9/8"),
    ]
}

#[track_caller]
fn check(template: &str, expected: &str) {
    assert_eq!(evaluate(template, &vm()).as_deref(), Ok(expected), "{template}");
}

#[test]
fn what_files_of_tutorials_say() {
    check("192.168.33.10", "192.168.33.10");
    check("{{ GetPrivateIP }}", "10.0.2.15");
    check("{{GetInterfaceIP \"eth1\"}}", "192.168.33.10");
    check("{{ GetInterfaceIP `eth1` }}:4647", "192.168.33.10:4647");
    check("{{ GetInterfaceIP \"eth7\" }}", "");
    check("{{ GetInterfaceIPs \"eth1\" }}", "192.168.33.10 fd00::10");
    check("{{ GetPublicIP }}", "8.8.4.4");
    check("{{ GetPublicIPs }}", "8.8.4.4");
    check("{{ GetPrivateIPs }}", "10.0.2.15 172.17.0.1 192.168.33.10 fd00::10");
    check(
        "{{ GetAllInterfaces | include \"network\" \"192.168.0.0/16\" | attr \"address\" }}",
        "192.168.33.10",
    );
    check(
        "{{ GetPrivateInterfaces | include \"network\" \"192.168.33.0/24\" | attr \"address\" }}",
        "192.168.33.10",
    );
    check(
        "{{ GetAllInterfaces | include \"name\" \"^eth1$\" | include \"flags\" \"forwardable|up\" | attr \"address\" }}",
        "192.168.33.10",
    );
    check("{{ GetDefaultInterfaces | include \"type\" \"IPv4\" | attr \"address\" }}", "10.0.2.15");
    check("a {{- GetPrivateIP -}} b", "a10.0.2.15b");
}

#[test]
fn filters() {
    let names = |middle: &str, expected: &str| {
        check(&format!("{{{{ GetAllInterfaces | {middle} | join \"name\" \",\" }}}}"), expected);
    };
    names("include \"type\" \"ipv6\"", "lo,eth0,eth1");
    names("exclude \"type\" \"ipv6\" | exclude \"name\" \"docker.*|lo\"", "eth0,eth1,eth2,eth9");
    names("include \"rfc\" \"1918\"", "docker0,eth0,eth1,eth9");
    names("include \"rfc\" \"RFC1918|4193\" | unique \"name\"", "docker0,eth0,eth1,eth9");
    names("exclude \"rfcs\" \"6890\"", "eth2");
    names("include \"flag\" \"loopback\"", "lo,lo");
    names("include \"flags\" \"up|multicast\" | include \"size\" \"/24\"", "eth0,eth1");
    names("include \"address\" \"^10\\.\"", "eth0,eth9");
    names("include \"network\" \"10.0.0.0/8|fd00::/8\"", "eth0,eth1,eth9");
    names("include \"port\" \"^0$\" | limit 2", "lo,lo");
    names("sort \"-name,address\" | limit 3", "lo,lo,eth9");
    names("sort \"default,type,-size\" | limit 1", "eth0");
    names("sort \"private,-default\" | limit 1", "lo");
    names("offset 7", "eth2,eth9");
    names("offset -1", "eth9");
    names("offset -100 | limit 1", "lo");
}

#[test]
fn attributes() {
    let of = |name: &str, expected: &str| {
        check(&format!("{{{{ GetAllInterfaces | include \"name\" \"eth2\" | attr \"{name}\" }}}}"), expected);
    };
    of("address", "8.8.4.4");
    of("host", "8.8.4.4");
    of("string", "8.8.4.4/29");
    of("network", "8.8.4.0/29");
    of("netmask", "255.255.255.248");
    of("mask_bits", "29");
    of("size", "8");
    of("broadcast", "8.8.4.7");
    of("first_usable", "8.8.4.1");
    of("last_usable", "8.8.4.6");
    of("flags", "up|broadcast|multicast");
    of("type", "IPv4");
    of("octets", "8 8 4 4");
    of("hex", "08080404");
    of("binary", "00001000000010000000010000000100");
    of("uint32", "134743044");
    of("port", "0");
}

#[test]
fn math() {
    let of = |arguments: &str, expected: &str| {
        check(
            &format!(
                "{{{{ GetAllInterfaces | include \"name\" \"eth1\" | math {arguments} | join \"string\" \" \" }}}}"
            ),
            expected,
        );
    };
    of("\"address\" \"+5\"", "192.168.33.15/24 fd00::15/64");
    of("\"address\" \"-5\"", "192.168.33.5/24 fd00::b/64");
    of("\"network\" \"+1\"", "192.168.33.1/24 fd00::1/64");
    of("\"network\" \"-1\"", "192.168.33.255/24 fd00::ffff:ffff:ffff:ffff/64");
    of("\"mask\" \"16\"", "192.168.0.0/16 fd00::/16");
}

#[test]
fn mistakes_name_the_remedy() {
    let problems: Vec<String> = [
        "{{ GetPrivateIP",
        "{{ }}",
        "{{ GetMyIP }}",
        "{{ GetInterfaceIP }}",
        "{{ GetPrivateIP \"eth0\" }}",
        "{{ GetAllInterfaces }}",
        "{{ GetPrivateIP | attr \"address\" }}",
        "{{ GetAllInterfaces | include \"colour\" \"red\" }}",
        "{{ GetAllInterfaces | include \"type\" \"ipx\" }}",
        "{{ GetAllInterfaces | include \"flags\" \"shiny\" }}",
        "{{ GetAllInterfaces | include \"rfc\" \"1\" }}",
        "{{ GetAllInterfaces | include \"network\" \"10/8\" }}",
        "{{ GetAllInterfaces | include \"name\" \"(\" }}",
        "{{ GetAllInterfaces | include \"name\" }}",
        "{{ GetAllInterfaces | sort \"age\" }}",
        "{{ GetAllInterfaces | limit \"many\" }}",
        "{{ GetAllInterfaces | attr \"colour\" }}",
        "{{ GetAllInterfaces | math \"address\" \"x\" }}",
        "{{ GetAllInterfaces | first }}",
        "{{ with $x := GetAllInterfaces }}{{ end }}",
        "{{ GetInterfaceIP \"eth0 }}",
    ]
    .iter()
    .map(|template| evaluate(template, &vm()).expect_err(template))
    .collect();
    insta::assert_snapshot!(problems.join("\n"));
}

#[test]
fn no_text_makes_it_panic() {
    let pieces = [
        "{{",
        "}}",
        " | ",
        "\"",
        "\\",
        "`",
        "GetAllInterfaces",
        "include",
        "\"name\"",
        "é",
        "-",
        "(",
        "limit 9",
        "math \"mask\" \"0\"",
    ];
    let mut seed = 7_usize;
    for _ in 0..5000 {
        let text: String = (0..9)
            .map(|_| {
                seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                pieces[(seed >> 33) % pieces.len()]
            })
            .collect();
        let _ = evaluate(&text, &vm());
    }
}

#[test]
fn nobody_is_told_the_address_of_containers() {
    let told = |interfaces: &[Interface]| private_address(interfaces).map(|address| address.to_string());
    assert_eq!(told(&vm()).as_deref(), Some("10.0.2.15"));
    let without = |name: &str| -> Vec<Interface> {
        vm().into_iter().filter(|interface| interface.name != name).collect()
    };
    assert_eq!(told(&without("eth0")).as_deref(), Some("192.168.33.10"), "the network of docker0 is larger");
    let alone = vec![interface("lo", "127.0.0.1/8"), interface("docker0", "172.17.0.1/16")];
    assert_eq!(told(&alone).as_deref(), Some("172.17.0.1"), "better than none");
}
