//! Registries of images: which server answers for one, how it is known, and who the user is to it.

use crate::FetchContext;
use crate::download::{Identity, Security};
use crate::secrets::ClientCertificate;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use osbuild_wasm_files::with_causes;
use osbuild_wasm_manifest::location::Location;
use osbuild_wasm_registry::{Access, Login, Scope, access, certificates, login};
use osbuild_wasm_store::Scratch;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// What docker.io is called where its images are, and what its own images are below (github.com/distribution/reference).
const DOCKER_HUB: (&str, &str) = ("docker.io", "registry-1.docker.io");
const OFFICIAL: &str = "library";

/// A registry with a repository.
pub(crate) struct Registry {
    /// How logins are named after it.
    pub(crate) name: String,
    /// The server that policies judge.
    pub(crate) named: Location,
    /// The server that answers for it.
    pub(crate) server: Location,
    /// The whole path of the repository.
    pub(crate) repository: String,
    /// The registry as the name of the image has it.
    written: String,
    verify_tls: bool,
}

impl Registry {
    /// `host` is `HOST:PORT`, `name` that of the image.
    pub(crate) fn new(host: &str, name: &str, verify_tls: bool) -> Result<Self, String> {
        let short = host.strip_suffix(":443").unwrap_or(host);
        let (hub, server) = DOCKER_HUB;
        let is_hub = short == hub;
        let (first, rest) = name.split_once('/').unwrap_or(("", name));
        let has_host = first.contains(['.', ':']) || first == "localhost";
        let path = if has_host { rest } else { name };
        let repository = match is_hub && !path.contains('/') {
            true => format!("{OFFICIAL}/{path}"),
            false => path.to_owned(),
        };
        let server = if is_hub { server } else { host };
        Ok(Self {
            name: short.to_owned(),
            named: Location::parse(&format!("https://{host}/"))?,
            server: Location::parse(&format!("https://{server}/"))?,
            repository,
            written: if is_hub { hub } else { first }.to_owned(),
            verify_tls,
        })
    }

    /// Whether `HOST:PORT` may be asked for it; who may ask for its name may ask the server that answers for it.
    pub(crate) fn may_be_asked(&self, host: &str, allowed: &dyn Fn(&str) -> bool) -> bool {
        let named = self.named.host();
        let own = named.filter(|_| self.server.host().as_deref() == Some(host));
        allowed(host) || own.is_some_and(|named| allowed(&named))
    }

    /// The options of a connection of `skopeo` itself; `prefix` begins their names.
    pub(crate) fn connection(
        &self,
        prefix: &str,
        credentials: Option<&Credentials>,
    ) -> Vec<String> {
        let insecure = format!("--{prefix}tls-verify=false");
        let login = match credentials {
            Some(credentials) => format!("--{prefix}authfile={}", credentials.file().display()),
            None => format!("--{prefix}no-creds"),
        };
        let insecure = Some(insecure).filter(|_| !self.verify_tls);
        insecure.into_iter().chain([login]).collect()
    }

    /// The name of the image in full, as container tools have it.
    pub(crate) fn image(&self) -> String {
        format!("{}/{}", self.written, self.repository)
    }

    /// The server without TLS, where that is as good.
    pub(crate) fn in_clear(&self) -> Option<Location> {
        let host = self.server.host().filter(|_| !self.verify_tls)?;
        Location::parse(&format!("http://{host}/")).ok()
    }

    /// How connections to it are secured: by what this machine has about it.
    pub(crate) fn security(&self) -> Security {
        let files = certificates(&self.server);
        let with = |end: &str, path: &Path| path.extension().is_some_and(|found| found == end);
        let mut certificates = files.iter().filter(|path| with("cert", path));
        let identity = certificates.next().map(|certificate| ClientCertificate {
            key: certificate.with_extension("key"),
            certificate: certificate.clone(),
            authority: None,
        });
        let authorities = files.iter().filter(|path| with("crt", path));
        Security {
            insecure: !self.verify_tls,
            identity: identity.map(|files| Identity::new(files, &self.server)),
            authorities: Some((self.server.origin(), authorities.cloned().collect())),
            ..Security::default()
        }
    }

    /// The login of the user for it, if that may be told to its server.
    pub(crate) fn login(&self, context: &FetchContext<'_>, module: &str) -> Result<Login, String> {
        let variable = |name: &str| context.environment.get(name).map(Into::into);
        let login = login(&self.name, &variable)?;
        if login == Login::None || self.verify_tls {
            return Ok(login);
        }
        self.keep(
            "tls-verify is false, so anybody may answer for it",
            context,
            module,
        );
        Ok(Login::None)
    }

    fn keep(&self, reason: &str, context: &FetchContext<'_>, module: &str) {
        let text = format!("{}: the login for it is not used: {reason}\n", self.name);
        context.log(module, text);
    }

    /// A file with that login for `skopeo` itself, which would tell it to whatever server a registry names, in clear too.
    pub(crate) async fn credentials(
        &self,
        context: &FetchContext<'_>,
        module: &str,
    ) -> Result<Option<Credentials>, String> {
        let login = self.login(context, module)?;
        let Login::Password { user, password } = &login else {
            return Ok(None);
        };
        match access(&self.server, &self.repository, Scope::Pull, login.clone()).await {
            Ok(Access::Anonymous) => Ok(None),
            Ok(_) => Credentials::write(&self.name, user, password, context).map(Some),
            Err(reason) => {
                self.keep(&reason, context, module);
                Ok(None)
            }
        }
    }
}

/// A file with one login that no other user can read, as long as it is used (containers-auth.json(5)).
pub(crate) struct Credentials(Scratch);

impl Credentials {
    fn write(
        name: &str,
        user: &str,
        password: &str,
        context: &FetchContext<'_>,
    ) -> Result<Self, String> {
        let scratch = context.store.scratch("login");
        let credentials = Self(scratch.map_err(|error| with_causes(&error))?);
        let login = STANDARD.encode(format!("{user}:{password}"));
        // Of a name that was checked and of letters that need no escape.
        let text = format!(r#"{{"auths": {{"{name}": {{"auth": "{login}"}}}}}}"#);
        let mut options = std::fs::File::options();
        let file = options.write(true).create_new(true).mode(0o600);
        file.open(credentials.file())
            .and_then(|mut file| file.write_all(text.as_bytes()))
            .map_err(|error| format!("cannot pass the login for {name} on: {error}"))?;
        Ok(credentials)
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.0.path().join("auth.json")
    }
}
