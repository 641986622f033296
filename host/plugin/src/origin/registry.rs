//! Container registries: a plugin is an artifact whose layers are the component and, where there is one, its signature.
use super::http::block_on;
use super::pull::{LOGIN_NEEDED, Pull, registry_of};
use super::{Fetched, failed, is_loopback};
use crate::error::{PluginError, Result};
use crate::signature::SIGNATURE;
use oci_client::client::{ClientConfig, ClientProtocol, Config, ImageLayer};
use oci_client::errors::OciDistributionError;
use oci_client::manifest::{
    OCI_IMAGE_MEDIA_TYPE, OciDescriptor, OciImageManifest, WASM_LAYER_MEDIA_TYPE,
};
use oci_client::secrets::RegistryAuth;
use oci_client::{Client, Reference};
use osbuild_wasm_files::{LARGEST_COMPONENT, with_causes};
use osbuild_wasm_registry::{Access, Login, Scope, access, login};
use std::collections::BTreeMap;

/// Media type of the layer that is the component: what other tools use for components.
const COMPONENT: &str = "application/wasm";
/// Media type of the layer that is the 64 bytes of an Ed25519 signature of the component.
const SIGNED: &str = "application/vnd.osbuild-wasm.signature.v1.ed25519";
/// Media type of the empty configuration and of the artifact.
const CONFIG: &str = "application/vnd.oci.empty.v1+json";
const ARTIFACT: &str = "application/vnd.osbuild-wasm.plugin.v1";

/// Bytes of the largest manifest: what registries keep (4 MiB, distribution specification, "Pushing Manifests").
const LARGEST_MANIFEST: u64 = 4 << 20;

/// Gets the artifact with this digest. Manifest and layers are compared with their digests, and none is read beyond its size.
pub(super) fn pull(text: &str) -> Result<Fetched> {
    let reference = parse(text)?;
    let digest = reference.digest().unwrap_or_default().to_owned();
    let login = login_of(&reference)?;
    block_on(async {
        let mut registry = Pull::new(oci(text), &reference, login)?;
        let manifest = registry
            .get("manifests", &digest, OCI_IMAGE_MEDIA_TYPE, LARGEST_MANIFEST)
            .await?;
        compare(
            text,
            &digest,
            &manifest,
            "the registry sends another manifest",
        )?;
        let manifest: OciImageManifest = serde_json::from_slice(&manifest)
            .map_err(|error| failed(oci(text), format!("its manifest cannot be used: {error}")))?;
        let component = layer(&manifest, &[COMPONENT, WASM_LAYER_MEDIA_TYPE])
            .ok_or_else(|| failed(oci(text), format!("the artifact has no layer {COMPONENT}")))?;
        let signature = match layer(&manifest, &[SIGNED]) {
            Some(layer) => Some(blob(&mut registry, text, layer, SIGNATURE as u64).await?),
            None => None,
        };
        Ok(Fetched {
            bytes: blob(&mut registry, text, component, LARGEST_COMPONENT).await?,
            signature,
        })
    })
}

/// Puts a plugin into a registry, `HOST/REPOSITORY:TAG`. Returns `oci://HOST/REPOSITORY@DIGEST`, which installs it.
pub fn push(target: &str, bytes: Vec<u8>, signature: Option<Vec<u8>>) -> Result<String> {
    let text = target.strip_prefix("oci://").ok_or_else(|| {
        PluginError::Usage(format!("{target}: a registry is oci://HOST/REPOSITORY:TAG"))
    })?;
    let reference = parse(text)?;
    if reference.digest().is_some() {
        return Err(PluginError::Usage(format!(
            "{target}: the digest is known only after pushing: name a tag"
        )));
    }
    let layer = |data: Vec<u8>, kind: &str| ImageLayer::new(data, kind.to_owned(), None);
    let mut layers = vec![layer(bytes, COMPONENT)];
    layers.extend(signature.map(|signature| layer(signature, SIGNED)));
    let config = Config::new(b"{}".to_vec(), CONFIG.to_owned(), None);
    let mut manifest = OciImageManifest::build(&layers, &config, None::<BTreeMap<String, String>>);
    manifest.media_type = Some(OCI_IMAGE_MEDIA_TYPE.to_owned());
    manifest.artifact_type = Some(ARTIFACT.to_owned());
    let login = login_of(&reference)?;
    let digest = block_on(async {
        let client = client(&reference);
        let auth = authorize(&reference, login).await?;
        let error = |error| registry_error(text, &error);
        client
            .push(&reference, &layers, config, &auth, Some(manifest))
            .await
            .map_err(error)?;
        client
            .fetch_manifest_digest(&reference, &auth)
            .await
            .map_err(error)
    })?;
    Ok(format!(
        "oci://{}/{}@{digest}",
        reference.registry(),
        reference.repository()
    ))
}

fn login_of(reference: &Reference) -> Result<Login> {
    let login = login(reference.registry(), &|name| std::env::var_os(name));
    login.map_err(|cause| failed(oci(&reference.to_string()), cause))
}

/// What the registry gets to see of the user. A token is had here: the client would tell the login to any server that it is sent to.
async fn authorize(reference: &Reference, login: Login) -> Result<RegistryAuth> {
    let failed = |cause| failed(oci(&reference.to_string()), cause);
    let registry = registry_of(reference).map_err(failed)?;
    let access = access(&registry, reference.repository(), Scope::Push, login).await;
    Ok(match access.map_err(failed)? {
        Access::Anonymous => RegistryAuth::Anonymous,
        Access::Login { user, password } => RegistryAuth::Basic(user, password),
        Access::Token(token) => RegistryAuth::Bearer(token),
    })
}

fn parse(text: &str) -> Result<Reference> {
    text.parse().map_err(|error| {
        PluginError::Usage(format!(
            "{}: no reference of a registry: {error}",
            oci(text)
        ))
    })
}

fn oci(reference: &str) -> String {
    format!("oci://{reference}")
}

fn client(reference: &Reference) -> Client {
    let host = reference.resolve_registry().to_owned();
    let protocol = if is_loopback(&host) {
        ClientProtocol::HttpsExcept(vec![host])
    } else {
        ClientProtocol::Https
    };
    Client::new(ClientConfig {
        protocol,
        // A plugin is the same on every platform: there is nothing to choose from a list.
        platform_resolver: None,
        user_agent: concat!("osbuild-wasm/", env!("CARGO_PKG_VERSION")),
        ..ClientConfig::default()
    })
}

fn layer<'a>(manifest: &'a OciImageManifest, kinds: &[&str]) -> Option<&'a OciDescriptor> {
    let mut layers = manifest.layers.iter();
    layers.find(|layer| kinds.contains(&layer.media_type.as_str()))
}

/// A layer's bytes, by its digest alone: a layer's `urls` would lead to servers that the user did not name.
async fn blob(
    registry: &mut Pull,
    text: &str,
    layer: &OciDescriptor,
    largest: u64,
) -> Result<Vec<u8>> {
    let size = u64::try_from(layer.size)
        .ok()
        .filter(|size| *size <= largest);
    let size = size.ok_or_else(|| {
        let cause = format!("a layer of {} bytes, more than {largest}", layer.size);
        failed(oci(text), cause)
    })?;
    let bytes = registry.get("blobs", &layer.digest, "*/*", size).await?;
    let advice = "the registry sends a layer that is not the manifest's";
    compare(text, &layer.digest, &bytes, advice)?;
    Ok(bytes)
}

fn compare(text: &str, wanted: &str, bytes: &[u8], advice: &str) -> Result<()> {
    let found = crate::digest(bytes);
    if found == wanted {
        return Ok(());
    }
    Err(PluginError::Digest {
        name: oci(text),
        wanted: wanted.to_owned(),
        found,
        advice: advice.to_owned(),
    })
}

fn registry_error(reference: &str, error: &OciDistributionError) -> PluginError {
    let cause = match error {
        OciDistributionError::UnauthorizedError { .. }
        | OciDistributionError::ServerError { code: 401, .. }
        | OciDistributionError::AuthenticationFailure(_) => LOGIN_NEEDED.into(),
        error => with_causes(error),
    };
    failed(oci(reference), cause)
}
