//! Who the user is to a registry: what `podman login`, `skopeo login` or `docker login` has stored (containers-auth.json(5)).
use docker_credential::{CredentialRetrievalError, DockerCredential, get_credential_from_reader};
use osbuild_wasm_files::{LARGEST_DOCUMENT, read_file};
use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::PathBuf;

/// What Docker calls its own registry in its files.
const DOCKER_HUB: &str = "https://index.docker.io/v1/";

/// Who the user is to a registry.
#[derive(Clone, PartialEq, Eq)]
pub enum Login {
    /// Without a name.
    None,
    /// Somebody.
    Password {
        /// Name.
        user: String,
        /// Password, or what stands for it.
        password: String,
    },
}

impl std::fmt::Debug for Login {
    /// Without the password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Password { .. } => "Password",
        })
    }
}

/// Without such a file, or where this user may not read it, there is no login.
const NO_LOGIN: [ErrorKind; 3] = [
    ErrorKind::NotFound,
    ErrorKind::NotADirectory,
    ErrorKind::PermissionDenied,
];

/// The login for a registry, the empty one when there is none, by the variables of the environment; or what is wrong with the file that has it.
///
/// # Errors
/// One line.
pub fn login(registry: &str, variable: &dyn Fn(&str) -> Option<OsString>) -> Result<Login, String> {
    for path in files(variable) {
        let names = [registry].into_iter();
        for name in names.chain((registry == "docker.io").then_some(DOCKER_HUB)) {
            let text = match read_file(&path, LARGEST_DOCUMENT) {
                Ok(text) => text,
                Err(error) if NO_LOGIN.contains(&error.kind()) => break,
                Err(error) => {
                    let path = path.display();
                    return Err(format!("cannot use the login in {path}: {error}"));
                }
            };
            match get_credential_from_reader(&*text, name) {
                Ok(DockerCredential::UsernamePassword(user, password)) => {
                    return Ok(Login::Password { user, password });
                }
                Ok(DockerCredential::IdentityToken(_)) => {
                    let path = path.display();
                    return Err(format!(
                        "{path} has an identity token for {registry}: log in with a password or an access token"
                    ));
                }
                Err(CredentialRetrievalError::NoCredentialConfigured) => {}
                Err(error) => {
                    let path = path.display();
                    return Err(format!("cannot use the login in {path}: {error}"));
                }
            }
        }
    }
    Ok(Login::None)
}

/// Where logins are stored, in the order in which they count.
fn files(variable: &dyn Fn(&str) -> Option<OsString>) -> Vec<PathBuf> {
    if let Some(file) = variable("REGISTRY_AUTH_FILE") {
        return vec![file.into()];
    }
    let user = rustix::process::geteuid().as_raw();
    let runtime = variable("XDG_RUNTIME_DIR").map(|path| PathBuf::from(path).join("containers"));
    let runtime = runtime.unwrap_or_else(|| format!("/run/containers/{user}").into());
    let home = variable("HOME").map(PathBuf::from).unwrap_or_default();
    let configuration = variable("XDG_CONFIG_HOME").map(PathBuf::from);
    let configuration = configuration.unwrap_or_else(|| home.join(".config"));
    let docker = variable("DOCKER_CONFIG").map(PathBuf::from);
    let docker = docker.unwrap_or_else(|| home.join(".docker"));
    vec![
        runtime.join("auth.json"),
        configuration.join("containers/auth.json"),
        docker.join("config.json"),
    ]
}
