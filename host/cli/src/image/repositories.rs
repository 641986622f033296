//! Repositories of distributions.
use crate::command_error::{CommandError, Result};
use crate::image::wrong;
use osbuild_wasm_distro::Repository as Defined;
use osbuild_wasm_report::Diagnostic;
use osbuild_wasm_resolve::{PlaceError, Repository as Source, metadata_expire};

/// A repository of a definition, for the resolver. Where packages are looked for without an image type, those for some types are none.
pub(crate) fn for_resolver(defined: Defined) -> Result<Option<Source>> {
    if !defined.image_type_tags.is_empty() || !defined.package_sets.is_empty() {
        return Ok(None);
    }
    let expire = Some(defined.metadata_expire).filter(|text| !text.is_empty());
    let expire = expire.map(|text| metadata_expire(&text)).transpose();
    let expire = expire.map_err(|problem| {
        CommandError::invalid(Diagnostic::new(format!(
            "the repository {}: {problem}",
            defined.name
        )))
    })?;
    let text = |text: String| Some(text).filter(|text| !text.is_empty());
    let mut repository = Source {
        id: defined.name.clone(),
        name: defined.name,
        baseurl: defined.baseurls,
        metalink: text(defined.metalink),
        mirrorlist: text(defined.mirrorlist),
        gpgcheck: defined.check_gpg,
        repo_gpgcheck: defined.check_repo_gpg,
        gpgkey: defined.gpgkeys,
        metadata_expire: expire,
        rhsm: defined.rhsm,
        ..Source::default()
    };
    repository.split_logins()?;
    Ok(Some(repository))
}

impl From<PlaceError> for CommandError {
    fn from(error: PlaceError) -> Self {
        Self::invalid(match error {
            PlaceError::Definitions { path, cause } => {
                Diagnostic::new(format!("cannot read definitions {}", path.display())).cause(cause)
            }
            PlaceError::Definition {
                directory: Some(directory),
                error,
            } => wrong(error).at(format!("definitions {}", directory.display())),
            PlaceError::Definition { error, .. } => wrong(error),
            PlaceError::Repositories { path, cause, hint } => {
                Diagnostic::new(format!("cannot use the repositories {}", path.display()))
                    .cause(cause)
                    .hint(hint)
            }
        })
    }
}
