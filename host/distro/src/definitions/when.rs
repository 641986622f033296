//! Conditions on a distribution, its version and an architecture.
use crate::Arch;
use schemars::JsonSchema;
use serde::Deserialize;

/// One value, or several of which one will do.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
enum OneOf<T> {
    One(T),
    Several(Vec<T>),
}

impl<T: PartialEq> OneOf<T> {
    fn has(&self, value: &T) -> bool {
        match self {
            Self::One(one) => one == value,
            Self::Several(several) => several.contains(value),
        }
    }
}

/// A condition: everything that is said must hold.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct When {
    /// Names of distributions without version, one or several.
    distro_name: Option<OneOf<String>>,
    /// Names that the distribution must not have.
    not_distro_name: Option<OneOf<String>>,
    /// Architectures, one or several.
    arch: Option<OneOf<Arch>>,
    /// Versions before this one. A distribution without minor version counts as the latest.
    version_less_than: Option<String>,
    /// This version and later ones.
    version_greater_or_equal: Option<String>,
    /// This version as it is written.
    version_equal: Option<String>,
}

impl When {
    /// Whether it holds for the distribution `name` in `version` on `arch`. Without an architecture, as for the
    /// distribution itself, a condition that asks for one does not hold.
    pub fn holds(&self, name: &str, version: &str, arch: Option<Arch>) -> bool {
        let name = name.to_owned();
        let here = release(version, LATEST);
        let bound = |bound: &str| release(bound, 0);
        self.distro_name
            .as_ref()
            .is_none_or(|names| names.has(&name))
            && !self
                .not_distro_name
                .as_ref()
                .is_some_and(|names| names.has(&name))
            && self
                .arch
                .as_ref()
                .is_none_or(|arches| arch.is_some_and(|arch| arches.has(&arch)))
            && self
                .version_less_than
                .as_deref()
                .is_none_or(|least| here < bound(least))
            && self
                .version_greater_or_equal
                .as_deref()
                .is_none_or(|least| here >= bound(least))
            && self
                .version_equal
                .as_deref()
                .is_none_or(|wanted| wanted == version)
    }
}

/// Minor version of a distribution that names none: it follows the latest.
const LATEST: u32 = 999;

/// Major and minor version as numbers; what is not a number sorts first.
fn release(version: &str, without_minor: u32) -> (u32, u32) {
    let (major, minor) = version.split_once('.').unwrap_or((version, ""));
    (
        major.parse().unwrap_or_default(),
        match minor {
            "" => without_minor,
            minor => minor.parse().unwrap_or_default(),
        },
    )
}

#[cfg(test)]
mod tests {
    use super::When;
    use crate::Arch;

    fn when(condition: serde_json::Value) -> When {
        serde_json::from_value(condition).expect("a condition")
    }

    #[test]
    fn a_version_without_minor_counts_as_the_latest() {
        let newer = when(serde_json::json!({"version_greater_or_equal": "9.6"}));
        assert!(newer.holds("centos", "9", None));
        assert!(newer.holds("rhel", "9.10", None));
        assert!(!newer.holds("rhel", "9.4", None));
        let exact = when(serde_json::json!({"version_equal": "9"}));
        assert!(exact.holds("centos", "9", None));
        assert!(!exact.holds("rhel", "9.0", None));
    }

    #[test]
    fn all_parts_of_a_condition_must_hold() {
        let both =
            when(serde_json::json!({"not_distro_name": ["centos"], "arch": ["x86_64", "aarch64"]}));
        assert!(both.holds("rhel", "9.4", Some(Arch::Aarch64)));
        assert!(!both.holds("centos", "9", Some(Arch::Aarch64)));
        assert!(!both.holds("rhel", "9.4", Some(Arch::S390x)));
        assert!(!both.holds("rhel", "9.4", None));
    }
}
