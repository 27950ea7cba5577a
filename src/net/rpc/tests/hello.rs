use super::*;

fn identity(region: &str, key: Option<&str>) -> Arc<Identity> {
    let key = key.map(|key| Fingerprint::of(key.as_bytes()));
    Arc::new(Identity { region: region.into(), key, agent: "an agent".into(), role: Role::Server })
}

async fn server_of(region: &str, key: Option<&str>) -> TestServer {
    let config = ServeConfig { identity: identity(region, key), ..ServeConfig::default() };
    server_as("127.0.0.1:0", config).await
}

fn client_of(server: &TestServer, region: &str, key: Option<&str>) -> Client {
    let identity = identity(region, key);
    Client::new(server.address.to_string(), ClientConfig { identity, ..ClientConfig::default() })
}

async fn refused(server: &TestServer, key: Option<&str>, words: &str) {
    let client = client_of(server, "global", key);
    let error = client.call(&Double(1), PATIENCE).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Refused);
    assert!(error.message.contains(words), "{error}");
    assert!(error.message.contains("set the same `encrypt` on both"), "{error}");
    assert!(error.message.contains(&server.address.to_string()), "{error}");
    let again = client.call(&Double(1), PATIENCE).await.unwrap_err();
    assert_eq!(again.kind, ErrorKind::Refused, "and never anything else");
}

#[tokio::test]
async fn agents_with_different_keys_do_not_talk() {
    let open = server_of("global", None).await;
    let closed = server_of("global", Some("right")).await;
    refused(&closed, Some("wrong"), "has another gossip key").await;
    refused(&closed, None, "has a gossip key, and this agent has none").await;
    refused(&open, Some("right"), "has no gossip key, and this agent has one").await;
    assert_eq!(closed.counters.read().other_key, 4);
    assert_eq!(closed.counters.read().calls, 0, "nothing was asked");
    assert_eq!(client_of(&closed, "global", Some("right")).call(&Double(1), PATIENCE).await.unwrap(), 2);
    assert_eq!(client_of(&open, "global", None).call(&Double(1), PATIENCE).await.unwrap(), 2);
}

#[tokio::test]
async fn another_region_may_ask_but_not_take_part() {
    let server = server_of("eu", Some("key")).await;
    let abroad = client_of(&server, "us", Some("key"));
    assert_eq!(abroad.call(&Double(1), PATIENCE).await.unwrap(), 2);
    let error = abroad.call(&Home, PATIENCE).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Refused);
    for word in ["\"eu\"", "\"us\"", "Test.Home", "set the same `region` on both"] {
        assert!(error.message.contains(word), "{error}");
    }
    assert_eq!(abroad.call(&Double(2), PATIENCE).await.unwrap(), 4, "on the same connection");
    assert_eq!(server.counters.read().other_region, 1);
    assert_eq!(server.counters.read().accepted, 1);
    let at_home = client_of(&server, "eu", Some("key"));
    at_home.call(&Home, PATIENCE).await.unwrap();
    assert_eq!(server.seen.waiting.load(Ordering::SeqCst), 1);
}
