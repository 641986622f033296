//! Image types that an administrator takes away from clients.
use super::matches;

/// Which image types of which distributions are not there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeniedTypes(Vec<(String, Vec<String>)>);

impl DeniedTypes {
    /// Patterns of distributions (`*` stands for any text), each with the types that are denied.
    #[must_use]
    pub fn new(lists: Vec<(String, Vec<String>)>) -> Self {
        Self(lists)
    }

    /// Whether the type of that name is denied.
    #[must_use]
    pub fn has(&self, distro: &str, image_type: &str) -> bool {
        let mut lists = self
            .0
            .iter()
            .filter(|(pattern, _)| matches(pattern, distro));
        lists.any(|(_, types)| types.iter().any(|denied| denied == image_type))
    }
}
