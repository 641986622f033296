//! Who the user is to a registry: what `podman login`, `skopeo login` or `docker login` has stored (containers-auth.json(5)).
use docker_credential::{CredentialRetrievalError, DockerCredential, get_credential_from_reader};
use oci_client::secrets::RegistryAuth;
use std::env::{home_dir, var_os};
use std::fs::File;
use std::path::PathBuf;

/// What Docker calls its own registry in its files.
const DOCKER_HUB: &str = "https://index.docker.io/v1/";

/// The login for a registry, nobody's when there is none; or what is wrong with the file that has it.
pub(super) fn login(registry: &str) -> Result<RegistryAuth, String> {
    for path in files() {
        let names = [registry].into_iter();
        for name in names.chain((registry == "docker.io").then_some(DOCKER_HUB)) {
            let Ok(file) = File::open(&path) else {
                break;
            };
            match get_credential_from_reader(file, name) {
                Ok(DockerCredential::UsernamePassword(user, password)) => {
                    return Ok(RegistryAuth::Basic(user, password));
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
    Ok(RegistryAuth::Anonymous)
}

/// Where logins are stored, in the order in which they count.
fn files() -> Vec<PathBuf> {
    if let Some(file) = var_os("REGISTRY_AUTH_FILE") {
        return vec![file.into()];
    }
    let user = rustix::process::geteuid().as_raw();
    let runtime = var_os("XDG_RUNTIME_DIR").map(|path| PathBuf::from(path).join("containers"));
    let runtime = runtime.unwrap_or_else(|| format!("/run/containers/{user}").into());
    let home = home_dir().unwrap_or_default();
    let configuration = var_os("XDG_CONFIG_HOME").map(PathBuf::from);
    let configuration = configuration.unwrap_or_else(|| home.join(".config"));
    let docker = var_os("DOCKER_CONFIG").map(PathBuf::from);
    let docker = docker.unwrap_or_else(|| home.join(".docker"));
    vec![
        runtime.join("auth.json"),
        configuration.join("containers/auth.json"),
        docker.join("config.json"),
    ]
}
