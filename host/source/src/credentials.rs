//! Logins of registries for `skopeo`, which would tell one to whatever server a registry names, in clear too.

use crate::FetchContext;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use osbuild_wasm_files::with_causes;
use osbuild_wasm_manifest::location::Location;
use osbuild_wasm_registry::{Access, Login, Scope, access, login};
use osbuild_wasm_store::Scratch;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

/// What docker.io is called where its images are.
const DOCKER_HUB: (&str, &str) = ("docker.io", "registry-1.docker.io");

/// A registry with a repository.
pub(crate) struct Registry {
    /// How logins are named after it.
    name: String,
    pub(crate) server: Location,
    repository: String,
}

impl Registry {
    /// `host` is `HOST:PORT`, `name` that of the image.
    pub(crate) fn new(host: &str, name: &str) -> Result<Self, String> {
        let repository = name.split_once('/').map_or(name, |(_, path)| path);
        Ok(Self {
            name: host.strip_suffix(":443").unwrap_or(host).to_owned(),
            server: Location::parse(&format!("https://{host}/"))?,
            repository: repository.to_owned(),
        })
    }

    /// The login of the user for it, if there is one that may be told.
    pub(crate) async fn credentials(
        &self,
        verify_tls: bool,
        context: &FetchContext<'_>,
        module: &str,
    ) -> Result<Option<Credentials>, String> {
        let variable = |name: &str| context.environment.get(name).map(Into::into);
        let login = login(&self.name, &variable)?;
        let Login::Password { user, password } = &login else {
            return Ok(None);
        };
        let kept = |reason: &str| {
            let text = format!("{}: the login for it is not used: {reason}\n", self.name);
            context.log(module, text);
            Ok(None)
        };
        if !verify_tls {
            return kept("tls-verify is false, so anybody may answer for it");
        }
        match access(&self.asked()?, &self.repository, Scope::Pull, login.clone()).await {
            Ok(Access::Anonymous) => Ok(None),
            Ok(_) => Credentials::write(&self.name, user, password, context).map(Some),
            Err(reason) => kept(&reason),
        }
    }

    fn asked(&self) -> Result<Location, String> {
        let (name, server) = DOCKER_HUB;
        match self.name == name {
            true => Location::parse(&format!("https://{server}/")),
            false => Ok(self.server.clone()),
        }
    }
}

/// A file with one login that only this user can read, as long as it is used (containers-auth.json(5)).
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
