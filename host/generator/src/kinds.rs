//! Which pipelines make a kind of image.
use crate::GeneratorError;
use crate::pipelines::Pipeline;
use crate::pipelines::os::Os;
use crate::random::Random;
use crate::request::Request;
use osbuild_wasm_distro::Kind;

/// The pipelines of what is asked for, without the build root where that is made of packages.
///
/// # Errors
/// The image type cannot give it.
pub fn pipelines<'a>(request: Request<'a>) -> Result<Vec<Box<dyn Pipeline + 'a>>, GeneratorError> {
    let mut random = Random::new(request.seed);
    let _ = &mut random;
    match request.image_type.kind {
        Kind::Disk => Ok(vec![Box::new(Os {
            request,
            table: None,
            parent: None,
        })]),
        _ => Ok(vec![Box::new(Os {
            request,
            table: None,
            parent: None,
        })]),
    }
}
