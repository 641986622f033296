//! What is known of a package, by names of this crate.

/// Texts of a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i32)]
pub enum Text {
    /// One line.
    Summary,
    /// Many lines.
    Description,
    /// Who made the package.
    Packager,
    /// Its home page.
    Url,
    /// Its licence as the package has it.
    License,
    /// Its group, of old.
    Group,
    /// Where its location is relative to, when not to its repository.
    Base,
}

/// Numbers of a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i32)]
pub enum Number {
    /// Seconds since 1970.
    BuildTime = 7,
    /// Bytes of the package.
    DownloadSize,
    /// Bytes of what it installs.
    InstallSize,
}

/// What relates a package to others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i32)]
pub enum Relation {
    /// What it has for others.
    Provides = 10,
    /// What it needs.
    Requires,
    /// What must not be there beside it.
    Conflicts,
    /// What it takes the place of.
    Obsoletes,
    /// What is installed with it if that can be.
    Recommends,
    /// What is preferred among others when it is there.
    Suggests,
    /// What it is installed with, if that can be.
    Supplements,
    /// What makes it preferred among others.
    Enhances,
}

impl Relation {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Provides,
        Self::Requires,
        Self::Conflicts,
        Self::Obsoletes,
        Self::Recommends,
        Self::Suggests,
        Self::Supplements,
        Self::Enhances,
    ];
}

/// What connects two parts of a dependency; numbers of pool.h.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i32)]
pub enum Operator {
    /// Later than.
    Greater = 1,
    /// This version.
    Equal = 2,
    /// This version or a later one.
    GreaterOrEqual = 3,
    /// Earlier than.
    Less = 4,
    /// Another version.
    NotEqual = 5,
    /// This version or an earlier one.
    LessOrEqual = 6,
    /// Any version.
    Any = 7,
    /// Both.
    And = 16,
    /// One of both.
    Or = 17,
    /// Both by one package.
    With = 18,
    /// The first, if the second is there.
    If = 22,
    /// What holds otherwise, as the second part of `If` or `Unless`.
    Else = 26,
    /// The first by a package without the second.
    Without = 28,
    /// The first, unless the second is there.
    Unless = 29,
}

impl Operator {
    /// How a comparison of versions is written; none for what connects dependencies.
    pub fn comparison(self) -> Option<&'static str> {
        match self {
            Self::Greater => Some(">"),
            Self::Equal => Some("="),
            Self::GreaterOrEqual => Some(">="),
            Self::Less => Some("<"),
            Self::NotEqual => Some("<>"),
            Self::LessOrEqual => Some("<="),
            _ => None,
        }
    }

    /// The comparison with this number.
    pub(crate) fn of(number: i32) -> Option<Self> {
        let comparisons = [
            Self::Greater,
            Self::Equal,
            Self::GreaterOrEqual,
            Self::Less,
            Self::NotEqual,
            Self::LessOrEqual,
            Self::Any,
        ];
        comparisons
            .into_iter()
            .find(|operator| *operator as i32 == number)
    }
}
