use model::{Agent, AgentStatus, Endpoint, NodeId};
use state::Command;

use super::*;

/// Two servers with services of their own; `n2` has failed if told so.
fn root(failed: bool) -> Root {
    let endpoint = |port| Endpoint { address: String::new(), port };
    let agent = |id: u128, status| Agent {
        id: NodeId(id),
        name: format!("n{id}"),
        address: format!("10.0.0.{id}"),
        datacenter: if id == 1 { "dc1".into() } else { "dc2".into() },
        region: "global".into(),
        server: true,
        http: endpoint(4646),
        rpc: endpoint(4647),
        serf: endpoint(4648),
        status,
        server_service: Agent::SERVER_SERVICE.into(),
        client_service: Agent::CLIENT_SERVICE.into(),
        ..Agent::default()
    };
    let second = if failed { AgentStatus::Failed } else { AgentStatus::Alive };
    let mut root = Root::default();
    let agents = vec![agent(1, AgentStatus::Alive), agent(2, second)];
    root.apply(5, put(agents));
    root
}

struct Bench {
    root: Root,
    env: BTreeMap<String, String>,
    files: BTreeMap<String, Option<String>>,
    interfaces: Option<Vec<Interface>>,
}

impl Bench {
    fn new(root: Root) -> Self {
        let env = [("NAME", "web"), ("EMPTY", "")];
        let env = env.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        Self { root, env, files: BTreeMap::new(), interfaces: None }
    }

    fn render(&self, text: &str) -> Result<Rendered, gotemplate::Error> {
        let node = Node { name: "n1".into(), ..Node::default() };
        let world = World {
            root: &self.root,
            node: &node,
            env: &self.env,
            files: &self.files,
            interfaces: self.interfaces.as_deref(),
            now: Timestamp::from_secs(1_700_000_000),
        };
        render(&parse(text, "{{", "}}")?, world, false)
    }

    #[track_caller]
    fn check(&self, text: &str, expected: &str) {
        match self.render(text) {
            Ok(found) => {
                assert_eq!(found.text, expected, "{text}");
                assert_eq!((found.missing.len(), found.wanted.len()), (0, 0), "{text}: {found:?}");
            }
            Err(error) => panic!("{text}: {error}"),
        }
    }
}

#[test]
fn services_and_nodes_of_the_catalog() {
    let bench = Bench::new(root(false));
    let list = |query: &str| {
        format!("{{{{range service {query}}}}}{{{{.Node}}}}={{{{.Address}}}}:{{{{.Port}}}} {{{{end}}}}")
    };
    bench.check(&list("\"rpc.nomad\""), "n1=10.0.0.1:4647 n2=10.0.0.2:4647 ");
    bench.check(&list("\"rpc.nomad@dc2\""), "n2=10.0.0.2:4647 ");
    bench.check(&list("\"nothere\""), "");
    bench.check("{{range services}}{{.Name}}{{.Tags}} {{end}}", "consul[] nomad[http rpc serf] ");
    bench.check("{{nomadServices}}", "[]");
    bench.check("{{range nodes}}{{.Node}} {{.Address}};{{end}}", "n1 10.0.0.1;n2 10.0.0.2;");
    bench.check("{{range datacenters}}{{.}} {{end}}", "dc1 dc2 ");
    bench.check("{{with node}}{{.Node.Node}} {{len .Services}}{{end}}", "n1 4");
    bench.check("{{with node \"n2@dc2\"}}{{.Node.Address}}{{end}}{{with node \"no\"}}x{{end}}", "10.0.0.2");

    let bench = Bench::new(root(true));
    bench.check(&list("\"rpc.nomad\""), "n1=10.0.0.1:4647 ");
    bench.check(&list("\"rpc.nomad\" \"any\""), "n1=10.0.0.1:4647 n2=10.0.0.2:4647 ");
    bench.check(&list("\"rpc.nomad|critical\""), "n2=10.0.0.2:4647 ");
    let error = bench.render("{{service \"a|bad\"}}").unwrap_err();
    assert!(error.message.contains("\"bad\" is none of passing"), "{error}");
}

#[test]
fn the_environment_and_what_only_computes() {
    let bench = Bench::new(root(false));
    bench.check(
        "{{env \"NAME\"}}{{env \"NONE\"}}|{{envOrDefault \"EMPTY\" \"d\"}}|{{mustEnv \"NAME\" | toUpper}}",
        "web|d|WEB",
    );
    bench.check(
        "{{scratch.Set \"a\" 1}}{{scratch.SetX \"a\" 2}}{{scratch.Get \"a\"}}{{scratch.Key \"b\"}}",
        "1false",
    );
    bench.check(
        "{{scratch.MapSet \"m\" \"x\" 1}}{{scratch.MapSet \"m\" \"y\" 2}}{{scratch.MapValues \"m\"}}",
        "[1 2]",
    );
    bench.check("{{timestamp}} {{timestamp \"unix\"}}", "2023-11-14T22:13:20Z 1700000000");
    assert!(bench.render("{{mustEnv \"NONE\"}}").unwrap_err().message.contains("has no NONE"));
    for (text, words) in [
        ("{{key \"a\"}}", "\"key\" is not supported: there is no key-value store"),
        ("{{with secret \"a\"}}{{end}}", "there is no Vault"),
        ("{{nothere}}", "\"nothere\" not defined"),
    ] {
        let error = parse(text, "{{", "}}").unwrap_err();
        assert!(error.message.contains(words), "{error}");
    }
}

#[test]
fn files_are_asked_for_and_waited_for() {
    let mut bench = Bench::new(root(false));
    let text = "{{file \"local/a\"}}{{if file \"local/a\"}}{{file \"local/b\"}}{{end}}";
    let found = bench.render(text).unwrap();
    assert_eq!(found.wanted, ["local/a".to_owned()].into());
    bench.files.insert("local/a".into(), Some("A".into()));
    assert_eq!(bench.render(text).unwrap().wanted, ["local/b".to_owned()].into());
    bench.files.insert("local/b".into(), None);
    let found = bench.render(text).unwrap();
    assert_eq!(found.missing, ["file(local/b)".to_owned()].into());
    assert_eq!(found.reads.files().collect::<Vec<_>>(), ["local/a", "local/b"]);
    bench.files.insert("local/b".into(), Some("B".into()));
    bench.check(text, "AB");
}

#[test]
fn what_was_read_decides_when_to_look_again() {
    let bench = Bench::new(root(false));
    let mut of_service = bench.render("{{service \"rpc.nomad\"}}").unwrap().reads;
    let nothing = bench.render("{{env \"NAME\"}}").unwrap().reads;
    let of_other = bench.render("{{service \"other\"}}").unwrap().reads;
    assert!(!of_service.is_stale(&bench.root));
    let mut later = bench.root.clone();
    let gone = Agent::clone(&later.agents[&NodeId(2)]);
    later.apply(9, put(vec![Agent { status: AgentStatus::Failed, ..gone }]));
    assert!(of_service.is_stale(&later));
    assert!(!nothing.is_stale(&later) && !of_other.is_stale(&later));
    assert!(of_service.take_changes(&later));
    assert!(!of_service.take_changes(&later));
    // Another log: its indexes say nothing of these.
    let elsewhere = Bench::new(Root::default()).render("{{services}}").unwrap();
    assert_eq!(elsewhere.missing, ["the catalog".to_owned()].into());
}

#[test]
fn functions_of_sprig() {
    let bench = Bench::new(Root::default());
    bench.check("{{env \"NAME\" | sprig_upper | sprig_quote}}", "\"WEB\"");
    bench.check("{{sprig_now | sprig_date \"2006-01-02\"}} {{timestamp}}", "2023-11-14 2023-11-14T22:13:20Z");
    bench.check("{{$d := sprig_dict}}{{$_ := sprig_set $d \"a\" 1}}{{$d | toYAML}}", "a: 1");
    bench.check("{{range loop 2 4}}{{.}}{{end}} {{(parseYAML \"a: [x]\").a | toJSON}}", "23 [\"x\"]");
    bench.check("{{hmacSHA256Hex \"what do ya want for nothing?\" \"Jefe\" | printf \"%.8s\"}}", "5bdcc146");
    let refused = |name: &str, expected: &str| {
        let error = bench.render(&format!("{{{{{name} 1}}}}")).expect_err(name).to_string();
        assert!(error.contains("line 1, column 3") && error.contains(expected), "{name}: {error}");
    };
    refused("sprig_uuidv4", "function \"sprig_uuidv4\" is not supported: it is random");
    refused("sprig_genCA", "keys and passwords");
    refused("sprig_htpasswd", "keys and passwords");
    refused("sprig_getHostByName", "it asks the network");
    refused("sprig_expandenv", "`env` reads the environment of the task");
    refused("sprig_mystery", "function \"sprig_mystery\" not defined");
    refused("sprig_mustUpper", "not defined");
}

#[test]
fn addresses_of_the_machine() {
    let mut bench = Bench::new(Root::default());
    let text = "{{sockaddr \"GetPrivateIP\"}} {{sockaddr \"GetInterfaceIP \\\"eth1\\\"\"}} {{\"| attr \\\"name\\\"\" | sockaddr \"GetAllInterfaces\" \"| include \\\"network\\\" \\\"10.1.0.0/16\\\"\"}}";
    assert!(bench.render(text).unwrap().wants_interfaces);
    let interface = |name: &str, address: &str, default_route| Interface {
        name: name.into(),
        address: address.parse().unwrap(),
        prefix: 24,
        default_route,
        up: true,
        loopback: false,
        broadcast: true,
        multicast: true,
        point_to_point: false,
    };
    bench.interfaces = Some(vec![interface("eth1", "10.1.0.5", false), interface("eth0", "10.0.0.5", true)]);
    bench.check(text, "10.0.0.5 10.1.0.5 eth1");
    assert!(!bench.render(text).unwrap().wants_interfaces);
    let error = |text: &str| bench.render(text).unwrap_err().message;
    assert!(error("{{sockaddr \"GetMoonIP\"}}").contains("is not a function that a template begins with"));
    assert!(error("{{sockaddr 5}}").contains("wants strings"));
}

#[test]
fn kept_maps_do_not_grow_deeper_and_deeper() {
    let bench = Bench::new(Root::default());
    let text = "{{range loop 1000}}{{scratch.MapSet \"a\" \"k\" (scratch.Get \"a\")}}{{end}}";
    assert!(bench.render(text).unwrap_err().message.contains("too deep"));
}

#[test]
fn changes_are_gathered() {
    let at = Timestamp::from_secs;
    assert_eq!(due(at(10), at(10), None), at(15));
    assert_eq!(due(at(10), at(240), None), at(245));
    assert_eq!(due(at(10), at(249), None), at(250));
    let wait = Wait { min: Duration::from_secs(1), max: Duration::from_secs(3) };
    assert_eq!(due(at(10), at(12), Some(wait)), at(13));
    assert_eq!(splay(Duration::from_secs(10), 0.5), Duration::from_secs(5));
    assert_eq!(splay(Duration::from_secs(10), 7.0), Duration::from_secs(10));
}

#[test]
fn environment_files() {
    let text =
        "# remark\n\nA=1\nexport B = two words # remark\nC='x $y'\nD=\"l1\\nl2 \\\"q\\\"\"\nE=\nF=a=b\n";
    let env = environment(text).unwrap();
    let found: Vec<(&str, &str)> = env.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    let expected =
        [("A", "1"), ("B", "two words"), ("C", "x $y"), ("D", "l1\nl2 \"q\""), ("E", ""), ("F", "a=b")];
    assert_eq!(found, expected);
    assert_eq!(environment("A=1\nnonsense").unwrap_err(), "line 2 is not KEY=value");
    assert!(environment("a b=1").unwrap_err().contains("cannot be the name"));
}

fn put(agents: Vec<Agent>) -> Command {
    Command::UpdateAgents { put: agents, gone: vec![], epoch: None, now: Timestamp(1) }
}
