//! Requests of each interface and what is answered; meaning and paths as in wit/INTERFACE.wit.
//!
//! A file that a call is about comes with it as a descriptor: the object that the runtime asked rights for, or opened. Its path is told
//! for messages only, and nothing is opened by it again.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::machine::Boot;
use crate::message::{Bytes, Handle, Interface};
use crate::storage::{
    ActivateVolume, Attach, Attached, BindMount, Deployment, Mapped, Mount, MountDirectory,
    MountImage, Mounted, OpenCrypt, Volume,
};

/// A call: what is sent for it, and what answers it.
pub trait Call: Into<Request> {
    /// The answer.
    type Reply: DeserializeOwned;
}

/// The one list of calls: the interfaces that have it (a component makes it of the first), the type that is sent and the type of the answer.
macro_rules! calls {
    ($($(#[$doc:meta])* $($interface:ident)|+: $name:ident -> $reply:ty,)*) => {
        /// One call. A helper refuses what does not belong to its interface.
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case", deny_unknown_fields)]
        pub enum Request {
            $($(#[$doc])* $name($name),)*
            /// Any interface: releases everything, answers, and closes the session.
            End,
        }

        impl Request {
            /// The interfaces that have it; a component makes it of the first.
            pub fn interfaces(&self) -> &'static [Interface] {
                match self {
                    $(Self::$name(_) => &[$(Interface::$interface),+],)*
                    Self::End => &Interface::ALL,
                }
            }
        }

        $(
            impl From<$name> for Request {
                fn from(call: $name) -> Self {
                    Self::$name(call)
                }
            }

            impl Call for $name {
                type Reply = $reply;
            }
        )*
    };
}

calls! {
    /// Comes with the file.
    Loopback: Attach -> Attached,
    /// Answered when all data is where it belongs and the device is gone.
    Loopback | Crypt | Lvm: Detach -> (),
    /// A file system on a device.
    Mount: Mount -> Mounted,
    /// Comes with the directory. Ending the session says whether the file system could be made.
    Mount: MountDirectory -> Mounted,
    /// One place at another.
    #[serde(rename = "bind")]
    Mount: BindMount -> Mounted,
    /// `not-found` when there is no such deployment or its directories are not complete.
    Mount: Deployment -> Mounted,
    /// All file systems of a disk image.
    Ddi: MountImage -> Mounted,
    /// Answered when all data is written and the file systems are gone.
    Mount | Ddi: Unmount -> (),
    /// `unsupported` without device mapper.
    Crypt: OpenCrypt -> Mapped,
    /// `unsupported` without device mapper.
    Lvm: ActivateVolume -> Volume,
    /// A public key for the database.
    Rpm: ImportKey -> (),
    /// Comes with directories of packages; fails when a signature or digest does not fit.
    Rpm: Verify -> (),
    /// Comes with directories of packages.
    Rpm: Install -> (),
    /// What is installed.
    Rpm: Query -> Vec<Package>,
    /// The core image of a platform.
    Grub: CoreImage -> Bytes,
    /// The boot image of a platform.
    Grub: BootImage -> Bytes,
    /// `no-space` when the variables do not fit.
    Grub: EnvironmentBlock -> Bytes,
    /// Comes with the source, the target, and the directory of the target.
    #[serde(rename = "convert")]
    QemuImg: Conversion -> (),
    /// Comes with the target and its directory.
    QemuImg: Create -> (),
    /// Comes with the image.
    QemuImg: Info -> ImageInfo,
    /// Comes with the files of its input and output, in this order; a status other than 0 is no failure.
    Command: Run -> Outcome,
    /// Comes with the shell's three standard streams; `denied` when the grant does not name its program.
    Command: Shell -> Outcome,
    /// Comes with the object.
    #[serde(rename = "set-xattr")]
    Tree: XattrValue -> (),
    /// Comes with the object.
    Tree: Trusted -> Vec<TrustedValue>,
    /// Comes with a descriptor for what the machine says; answered when it is off.
    Machine: Boot -> Outcome,
}

/// Releases a device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Detach(pub Handle);

/// Unmounts a file system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unmount(pub Handle);

/// Reads the boot image of GRUB.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BootImage {
    /// Platform, e.g. `i386-pc`.
    pub platform: String,
}

/// Which RPM database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Database {
    /// Contract path of the root of the tree.
    pub root: String,
    /// Database directory inside it.
    pub path: Option<String>,
    /// Program for keys and signatures; none: `rpmkeys`.
    pub keys_program: Option<String>,
}

/// Imports a public key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImportKey {
    /// Where to.
    pub database: Database,
    /// The key, ASCII-armoured.
    pub key: Bytes,
}

/// A package file. There are more of them than descriptors go with a message.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PackageFile {
    /// Its directory, by place among the descriptors of the call.
    pub directory: usize,
    /// Its name there; no link.
    pub name: String,
}

/// Verifies a package file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verify {
    /// Whose keys count.
    pub database: Database,
    /// The package, for messages.
    pub package: String,
    /// Its file.
    pub file: PackageFile,
}

/// One transaction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Install {
    /// Where to.
    pub database: Database,
    /// The packages, in the order given to rpm.
    pub packages: Vec<PackageFile>,
    /// Leave documentation out.
    pub exclude_docs: bool,
    /// Do not check dependencies.
    pub no_dependencies: bool,
    /// Do not check the architecture.
    pub ignore_architecture: bool,
    /// Languages; empty: all.
    pub install_langs: Vec<String>,
    /// Variables beside the default ones.
    pub environment: Vec<(String, String)>,
}

/// Lists the packages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Query {
    /// Of which database.
    pub database: Database,
}

/// One installed package; a tag that is not set or not known is none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "the fields are rpm's tags of the same names")]
pub struct Package {
    pub name: String,
    pub version: String,
    pub release: String,
    pub epoch: Option<String>,
    pub arch: Option<String>,
    pub sigmd5: Option<String>,
    pub sha1header: Option<String>,
    pub sha256header: Option<String>,
    pub sha3_256header: Option<String>,
    pub sigpgp: Option<String>,
    pub siggpg: Option<String>,
    pub license: Option<String>,
    pub vendor: Option<String>,
    pub sourcerpm: Option<String>,
    /// Whether it has any file; an imported key has none.
    pub owns_files: bool,
}

/// Makes a GRUB core image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CoreImage {
    /// Program in the build root, usually `grub2-mkimage`.
    pub program: String,
    /// Platform, e.g. `i386-pc`.
    pub platform: String,
    /// Output format.
    pub format: String,
    /// Where GRUB looks for its files.
    pub prefix: String,
    /// Modules built in.
    pub modules: Vec<String>,
}

/// Makes a GRUB environment block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnvironmentBlock {
    /// Names and values, in order.
    pub variables: Vec<(String, String)>,
}

/// Formats of disk images.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the names are those of the formats")]
pub enum ImageFormat {
    Raw,
    Qcow2,
    Vdi,
    Vmdk,
    Vpc,
    Vhdx,
}

impl ImageFormat {
    /// qemu-img's name of it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Qcow2 => "qcow2",
            Self::Vdi => "vdi",
            Self::Vmdk => "vmdk",
            Self::Vpc => "vpc",
            Self::Vhdx => "vhdx",
        }
    }
}

/// Converts a raw image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conversion {
    /// The raw image, for messages.
    pub source: String,
    /// The result: its last name is what the tool sees.
    pub to: String,
    /// Format of the result.
    pub format: ImageFormat,
    /// Compress; qcow2 and vmdk only.
    pub compress: bool,
    /// Format options.
    pub options: Vec<String>,
    /// Parallel coroutines.
    pub coroutines: Option<u32>,
}

/// Makes an empty image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Create {
    /// The image: its last name is what the tool sees.
    pub path: String,
    /// Format.
    pub format: ImageFormat,
    /// Bytes that the guest sees.
    pub size: u64,
    /// Format options.
    pub options: Vec<String>,
}

/// Looks at an image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Info {
    /// The image, for messages.
    pub path: String,
}

/// What is known of an image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageInfo {
    /// qemu-img's name of the format.
    pub format: String,
    /// Bytes that the guest sees.
    pub virtual_size: u64,
    /// Bytes on the disk.
    pub actual_size: u64,
}

/// Which directory is `/` for a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Root {
    /// The build root, read only.
    BuildRoot,
    /// The tree, writable.
    Tree,
}

/// What a program reads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Input {
    /// Nothing.
    None,
    /// These bytes.
    Bytes(Bytes),
    /// A file that comes with the call; its path is for messages.
    File(String),
}

/// Where standard output goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Output {
    /// The log.
    Log,
    /// Into the answer, at most [`crate::MAX_BLOB`].
    Capture,
    /// A file that comes with the call, open and empty; its path is for messages.
    File(String),
    /// Nowhere.
    Discard,
}

/// A path that a program sees as another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bind {
    /// What it sees.
    pub source: String,
    /// Where it sees it.
    pub target: String,
    /// Whether writing is refused.
    pub read_only: bool,
}

/// Runs a program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// Base name, or absolute path inside the root.
    pub program: String,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// What is `/`.
    pub root: Root,
    /// Variables beside the default ones.
    pub environment: Vec<(String, String)>,
    /// Working directory; none: `/`.
    pub directory: Option<String>,
    /// Standard input.
    pub input: Input,
    /// Standard output.
    pub output: Output,
    /// Further binds.
    pub binds: Vec<Bind>,
}

/// Runs a shell for the person who asked to look into a stage's sandbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shell {
    /// Absolute path in the build root; the grant must name it.
    pub program: String,
    /// The stage's arguments document, for reading.
    pub arguments: String,
    /// The streams are a terminal of the shell's own, which becomes its controlling one.
    pub terminal: bool,
}

/// How a program ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outcome {
    /// Exit status; 128 + N when signal N ended it.
    pub status: i32,
    /// Captured output.
    pub output: Bytes,
}

/// Tells the extended attributes in `trusted.*` of an object and of all below it on the same file system, which only who has
/// CAP_SYS_ADMIN on the machine sees.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trusted {
    /// The object, for messages.
    pub path: String,
}

/// One attribute in `trusted.*`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrustedValue {
    /// Path below the object that was asked about; empty for itself.
    pub below: Bytes,
    /// Name with its class.
    pub name: String,
    /// Value.
    pub value: Bytes,
}

/// One extended attribute and its value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct XattrValue {
    /// The object, for messages.
    pub path: String,
    /// Name with its class.
    pub name: String,
    /// Value.
    pub value: Bytes,
}
