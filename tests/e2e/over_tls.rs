//! Servers that speak TLS: artifacts from them, checks of them.

use std::{net::SocketAddr, path::Path, sync::Arc};

use rcgen::CertifiedKey;
use sha2::Digest;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, crypto::ring, pki_types::PrivateKeyDer},
};

use crate::harness::World;

const APP: &str = "the program\n";

/// A server for `localhost` and `health.test`, and its certificate.
fn server() -> (SocketAddr, String) {
    let names = vec![String::from("localhost"), String::from("health.test")];
    let CertifiedKey { cert, signing_key } = rcgen::generate_simple_self_signed(names).unwrap();
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    let serve = async move {
        let listener = TcpListener::from_std(listener).unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        while let Ok((stream, _)) = listener.accept().await {
            // Somebody who does not believe it hangs up.
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut head = [0; 4096];
            let read = stream.read(&mut head).await.unwrap_or(0);
            let head = String::from_utf8_lossy(&head[..read]).into_owned();
            let body = match head.split_whitespace().nth(1) {
                Some("/app.txt") => String::from(APP),
                Some("/SHA256SUMS") => format!("{:x}  dist/app.txt\n", sha2::Sha256::digest(APP)),
                _ => head,
            };
            let length = body.len();
            let answer =
                format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}");
            let _ = stream.write_all(answer.as_bytes()).await;
            let _ = stream.shutdown().await;
        }
    };
    std::thread::spawn(|| {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(serve);
    });
    (address, cert.pem())
}

fn job(port: u16) -> String {
    format!(
        r#"
job "app" {{
  update {{
    min_healthy_time = "0s"
  }}
  group "g" {{
    restart {{
      attempts = 0
    }}
    task "t" {{
      driver = "raw_exec"
      config {{
        command = "/bin/sh"
        args    = ["-c", "cat local/app.txt; exec sleep 1000"]
      }}
      artifact {{
        source = "https://localhost:{port}/app.txt"
        options {{
          checksum = "file:https://localhost:{port}/SHA256SUMS"
        }}
      }}
      resources {{
        network {{
          port "tls" {{
            static = {port}
          }}
        }}
      }}
      service {{
        name = "app"
        port = "tls"
        check {{
          type            = "http"
          protocol        = "https"
          path            = "/health"
          tls_server_name = "health.test"
          interval        = "1s"
          timeout         = "10s"
        }}
        check {{
          name            = "anybody"
          type            = "http"
          protocol        = "https"
          path            = "/health"
          tls_skip_verify = true
          interval        = "1s"
          timeout         = "10s"
        }}
      }}
    }}
  }}
}}
"#
    )
}

#[test]
fn artifacts_and_checks_speak_tls() {
    let (address, certificate) = server();
    let world = World::with(&["-dev"], |dir: &Path| {
        std::fs::write(dir.join("authorities.pem"), &certificate).unwrap();
        String::new()
    });
    world.file("app.nomad", &job(address.port()));
    world.run("nomad run app.nomad").ok();
    let alloc = world.running("app", 1)[0]["ID"].as_str().unwrap().to_owned();
    assert_eq!(world.run(&format!("nomad alloc logs {alloc}")).ok().stdout, APP);
    let checks = world.consul("/v1/health/checks/app");
    let outputs: Vec<_> =
        checks.as_array().unwrap().iter().map(|check| check["Output"].to_string()).collect();
    assert_eq!(outputs.len(), 2, "{checks}");
    assert!(outputs.iter().all(|output| output.contains("200 OK")), "{checks}");
}

#[test]
fn who_is_not_known_is_not_believed() {
    let (address, _) = server();
    let world = World::dev();
    world.file("app.nomad", &job(address.port()));
    let run = world.run("nomad run app.nomad");
    assert_eq!(run.code, 3, "{run:?}");
    assert!(run.stdout.contains("invalid peer certificate: UnknownIssuer"), "{run:?}");
}
