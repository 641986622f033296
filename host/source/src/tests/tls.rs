use super::server::{Reply, Request, Server};
use super::{World, sha256};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use std::path::Path;
use std::sync::Arc;

/// A certificate authority with a server that wants client certificates made by it, or none.
pub(super) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    pub(super) fn new() -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self {
            issuer: CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap(),
        }
    }

    fn sign(&self, name: &str) -> (rcgen::Certificate, KeyPair) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new([name.to_owned()]).unwrap();
        (params.signed_by(&key, &self.issuer).unwrap(), key)
    }

    pub(super) fn server(&self, wants_client: bool) -> Server {
        self.server_of(wants_client, |_| Reply::ok(b"hello"))
    }

    pub(super) fn server_of(
        &self,
        wants_client: bool,
        handler: impl Fn(&Request) -> Reply + Send + Sync + 'static,
    ) -> Server {
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).unwrap();
        let builder = if wants_client {
            ServerConfig::builder().with_client_cert_verifier(
                WebPkiClientVerifier::builder(Arc::new(roots))
                    .build()
                    .unwrap(),
            )
        } else {
            ServerConfig::builder().with_no_client_auth()
        };
        let (certificate, key) = self.sign("localhost");
        let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
        let config = builder
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        Server::start_tls(config, handler)
    }

    /// Writes a client's key and certificate and the authority.
    pub(super) fn write(&self, key_file: &Path, certificate_file: &Path, authority: &Path) {
        for file in [key_file, certificate_file, authority] {
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        }
        let (certificate, key) = self.sign("client");
        std::fs::write(key_file, key.serialize_pem()).unwrap();
        std::fs::write(certificate_file, certificate.pem()).unwrap();
        std::fs::write(authority, self.issuer.pem()).unwrap();
    }
}

fn item(server: &Server, rest: &str) -> (String, String) {
    (
        sha256(b"hello"),
        format!(r#"{{"url": "{}/file"{rest}}}"#, server.url),
    )
}

#[test]
fn a_server_with_an_unknown_authority_is_refused_at_once_unless_insecure_is_set() {
    let server = Authority::new().server(false);
    let world = World::new();
    let items = world.download(&[item(&server, "")]);
    let error = items[0].result.clone().unwrap_err();
    assert!(
        error.contains("no secure connection: invalid peer certificate"),
        "{error}"
    );
    assert!(error.contains("add its certificate authority"), "{error}");
    assert_eq!((server.requests().len(), server.connections()), (0, 1));
    let items = world.download(&[item(&server, r#", "insecure": true"#)]);
    assert_eq!(items[0].result, Ok(false));
}

#[test]
fn a_client_certificate_from_the_environment_is_shown() {
    let authority = Authority::new();
    let server = authority.server(true);
    let dir = tempfile::tempdir().unwrap();
    let files = ["key.pem", "cert.pem", "ca.pem"].map(|name| dir.path().join(name));
    authority.write(&files[0], &files[1], &files[2]);
    let [key, certificate, ca] = files.each_ref().map(|file| file.to_str().unwrap());
    let variables = [
        ("OSBUILD_SOURCES_CURL_SSL_CLIENT_KEY", key),
        ("OSBUILD_SOURCES_CURL_SSL_CLIENT_CERT", certificate),
        ("OSBUILD_SOURCES_CURL_SSL_CA_CERT", ca),
    ];
    let mtls = r#", "secrets": {"name": "org.osbuild.mtls"}"#;
    let world = World::with(variables);
    assert_eq!(world.download(&[item(&server, mtls)])[0].result, Ok(false));

    let world = World::with(variables);
    let error = world.download(&[item(&server, r#", "insecure": true"#)])[0]
        .result
        .clone()
        .unwrap_err();
    assert!(
        error.contains("no secure connection") && error.contains("client certificate"),
        "{error}"
    );

    let world = World::with(variables[..1].to_vec());
    let error = world.download(&[item(&server, mtls)])[0]
        .result
        .clone()
        .unwrap_err();
    assert!(
        error.contains("set OSBUILD_SOURCES_CURL_SSL_CLIENT_KEY and"),
        "{error}"
    );

    std::fs::write(&files[0], "no key").unwrap();
    let error = World::with(variables).download(&[item(&server, mtls)])[0]
        .result
        .clone()
        .unwrap_err();
    assert!(error.contains("key.pem and"), "{error}");
    std::fs::remove_file(&files[1]).unwrap();
    let error = World::with(variables).download(&[item(&server, mtls)])[0]
        .result
        .clone()
        .unwrap_err();
    assert!(error.contains("cert.pem: No such file"), "{error}");
}

#[test]
fn subscriptions_of_the_host_are_used() {
    let authority = Authority::new();
    let server = authority.server(true);
    let rhsm = r#", "secrets": {"name": "org.osbuild.rhsm"}"#;

    let world = World::new();
    let error = world.download(&[item(&server, rhsm)])[0]
        .result
        .clone()
        .unwrap_err();
    assert!(
        error.contains("No RHSM secrets found on this host"),
        "{error}"
    );

    let root = world.dir.path();
    let entitlements = root.join("etc/pki/entitlement");
    let ca = root.join("etc/rhsm/ca/redhat-uep.pem");
    authority.write(
        &entitlements.join("7-key.pem"),
        &entitlements.join("7.pem"),
        &ca,
    );
    let repository = |url: &str| {
        std::fs::create_dir_all(root.join("etc/yum.repos.d")).unwrap();
        let files = "sslclientkey = /etc/pki/entitlement/7-key.pem\nsslclientcert = /etc/pki/entitlement/7.pem\n";
        let text = format!("# comment\n[other]\nname = x\n\n[repo]\nbaseurl = {url}\n{files}");
        std::fs::write(root.join("etc/yum.repos.d/redhat.repo"), text).unwrap();
    };
    repository(&format!("{}/$basearch", server.url));
    assert_eq!(world.download(&[item(&server, rhsm)])[0].result, Ok(false));

    // Without a repository that fits, any entitlement; without that, an error.
    std::fs::remove_file(world.file(&sha256(b"hello"))).unwrap();
    repository("https://elsewhere.example/");
    assert_eq!(world.download(&[item(&server, rhsm)])[0].result, Ok(false));
    std::fs::remove_file(world.file(&sha256(b"hello"))).unwrap();
    std::fs::remove_dir_all(&entitlements).unwrap();
    let error = world.download(&[item(&server, rhsm)])[0]
        .result
        .clone()
        .unwrap_err();
    assert!(
        error.contains("no subscription of this host covers it"),
        "{error}"
    );

    // As container tools pass them on.
    let secrets = root.join("run/secrets");
    let entitlements = secrets.join("etc-pki-entitlement");
    let ca = secrets.join("rhsm/ca/katello-server-ca.pem");
    authority.write(
        &entitlements.join("7-key.pem"),
        &entitlements.join("7.pem"),
        &ca,
    );
    assert_eq!(world.download(&[item(&server, rhsm)])[0].result, Ok(false));
}
