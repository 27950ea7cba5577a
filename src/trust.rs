//! HTTP clients of this program, by whom they believe.
//!
//! The authorities are those of the machine: `SSL_CERT_FILE` and `SSL_CERT_DIR` if set, else where its distribution keeps
//! them. They are read once, when they are first needed.

use std::sync::{Arc, OnceLock};

use reqwest::ClientBuilder;
use rustls::{
    ClientConfig, RootCertStore,
    crypto::{CryptoProvider, ring},
};

/// Speaks HTTP without TLS; whatever comes over https is believed by nobody.
pub fn plain() -> ClientBuilder {
    static NOBODY: OnceLock<ClientConfig> = OnceLock::new();
    let config = NOBODY.get_or_init(|| config(RootCertStore::empty()));
    ClientBuilder::new().tls_backend_preconfigured(config.clone())
}

/// Believes those that the machine believes.
pub fn verified() -> ClientBuilder {
    ClientBuilder::new().tls_backend_preconfigured(machine().clone())
}

/// The same, for servers that have to speak HTTP/2.
pub fn verified_http2() -> ClientBuilder {
    let mut config = machine().clone();
    config.alpn_protocols = vec![b"h2".to_vec()];
    ClientBuilder::new().tls_backend_preconfigured(config).http2_prior_knowledge()
}

/// Believes everybody.
pub fn unverified() -> ClientBuilder {
    static INSTALLED: OnceLock<()> = OnceLock::new();
    INSTALLED.get_or_init(|| {
        // Another one that is there already will do as well.
        let _ = CryptoProvider::install_default(ring::default_provider());
    });
    ClientBuilder::new().tls_danger_accept_invalid_certs(true)
}

fn machine() -> &'static ClientConfig {
    static MACHINE: OnceLock<ClientConfig> = OnceLock::new();
    MACHINE.get_or_init(|| {
        let found = rustls_native_certs::load_native_certs();
        for error in &found.errors {
            tracing::warn!(%error, "an authority of this machine cannot be read; https servers that need it fail");
        }
        let mut roots = RootCertStore::empty();
        let (_, ignored) = roots.add_parsable_certificates(found.certs);
        if ignored > 0 {
            tracing::debug!(ignored, "authorities of this machine that are not understood");
        }
        config(roots)
    })
}

fn config(roots: RootCertStore) -> ClientConfig {
    ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring knows the versions of TLS that rustls does")
        .with_root_certificates(roots)
        .with_no_client_auth()
}
