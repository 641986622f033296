//! Files of images that were found.
use crate::containers::{FoundImage, WantedImage};
use crate::error::{Kind, ResolveError};
use crate::solver::Resolver;
use osbuild_wasm_manifest::reference::ImageReference;
use osbuild_wasm_source::{CONTAINERS_STORAGE, ImageFiles, ImagePlace, Look, SKOPEO, image_files};

impl Resolver<'_> {
    /// Reads files of an image that was found, those that `look` wants.
    ///
    /// # Errors
    /// One line: it is not to be had, or cannot be read.
    pub fn image_files(
        &self,
        wanted: &WantedImage<'_>,
        found: &FoundImage,
        look: &dyn Fn(&str) -> Option<Look>,
    ) -> Result<ImageFiles, ResolveError> {
        let reference = ImageReference::parse(wanted.reference)
            .map_err(|problem| ResolveError::new(Kind::Missing, problem))?;
        let (place, source) = match wanted.local {
            true => (ImagePlace::Storage, CONTAINERS_STORAGE),
            false => {
                let verify_tls = wanted.verify_tls;
                (ImagePlace::Registry { verify_tls }, SKOPEO)
            }
        };
        let context = self.context(source);
        let which = (found.id.as_str(), found.digest.as_str());
        image_files(&reference, place, which, look, &context).map_err(|problem| {
            let reference = wanted.reference;
            ResolveError::new(Kind::Content, format!("the image {reference}: {problem}"))
        })
    }
}
