//! Kernels of root directories, and what of their modules a virtual machine needs to begin with.
use crate::root::RootDirectory;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io;
use thiserror::Error;

/// Where modules are.
const MODULES: &str = "usr/lib/modules";
/// The same where a root directory has no merged /usr.
const UNMERGED: &str = "lib/modules";

/// What a machine cannot begin without: devices of virtio, its disk's file system, and that of its shares.
const NEEDED: [&str; 6] = [
    "virtio_pci",
    "virtio_blk",
    "virtio_console",
    "ext4",
    "9pnet_virtio",
    "9p",
];

/// What ext4 asks the kernel for by other names than a module's; later kernels have it built in.
const ASKED_FOR: [&str; 1] = ["crc32c_generic"];

/// Why a root directory has no kernel that does.
#[derive(Debug, Error)]
pub enum KernelError {
    /// None at all.
    #[error(
        "it has no kernel with its modules (/usr/lib/modules/VERSION with modules.dep, and vmlinuz there or in /boot)"
    )]
    None,
    /// A kernel that was made without something.
    #[error("its kernel {version} has no module {module}")]
    Lacks {
        /// Version of the kernel.
        version: String,
        /// Name of the module.
        module: &'static str,
    },
    /// It cannot be read.
    #[error("{path}: {cause}")]
    Unreadable {
        /// Where.
        path: String,
        /// Why.
        cause: io::Error,
    },
}

/// A kernel with its modules.
#[derive(Debug)]
pub struct Kernel {
    /// Version, which is the name of the directory of its modules.
    pub version: String,
    image: String,
    directory: String,
}

impl Kernel {
    /// The kernel of a root directory; of several the last by name.
    ///
    /// # Errors
    /// There is none that does, and why.
    pub fn find(root: &RootDirectory) -> Result<Self, KernelError> {
        let candidates = [MODULES, UNMERGED].iter().flat_map(|parent| {
            let names = root.names(parent).unwrap_or_default();
            names
                .into_iter()
                .rev()
                .map(move |version| (parent, version))
        });
        for (parent, version) in candidates {
            let directory = format!("{parent}/{version}");
            let images = [
                format!("{directory}/vmlinuz"),
                format!("boot/vmlinuz-{version}"),
            ];
            let Some(image) = images.into_iter().find(|path| is_there(root.file(path))) else {
                continue;
            };
            if !is_there(root.file(&format!("{directory}/modules.dep"))) {
                continue;
            }
            let kernel = Self {
                version,
                image,
                directory,
            };
            kernel.first_modules(root)?;
            return Ok(kernel);
        }
        Err(KernelError::None)
    }

    /// The kernel itself.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn image(&self, root: &RootDirectory) -> Result<File, KernelError> {
        root.file(&self.image).map_err(unreadable(&self.image))
    }

    /// Directory of its modules and of those of others, below the root directory.
    pub fn modules(&self) -> &str {
        self.directory
            .rsplit_once('/')
            .map_or("", |(parent, _)| parent)
    }

    /// Modules that are loaded first, with file names, in the order of loading.
    pub(crate) fn first_modules(
        &self,
        root: &RootDirectory,
    ) -> Result<Vec<(String, File)>, KernelError> {
        let paths = self.order(root)?;
        let open = |path: String| {
            let whole = format!("{}/{path}", self.directory);
            let file = root.file(&whole).map_err(unreadable(&whole))?;
            let name = path.rsplit('/').next().unwrap_or(&path).to_owned();
            Ok((name, file))
        };
        paths.into_iter().map(open).collect()
    }

    /// Paths of what the first modules are, below the directory, each after those that it needs.
    fn order(&self, root: &RootDirectory) -> Result<Vec<String>, KernelError> {
        let read = |name: &str| {
            let path = format!("{}/{name}", self.directory);
            root.text(&path).map_err(unreadable(&path))
        };
        let dependencies = Dependencies::parse(&read("modules.dep")?);
        let builtin = read("modules.builtin").unwrap_or_default();
        let builtin: BTreeSet<_> = builtin.lines().map(module_name).collect();
        let (mut order, mut seen) = (Vec::new(), BTreeSet::new());
        for path in ASKED_FOR
            .iter()
            .filter_map(|module| dependencies.path_of(module))
        {
            dependencies.add(path, &mut order, &mut seen);
        }
        for module in NEEDED {
            if builtin.contains(module) {
                continue;
            }
            let Some(path) = dependencies.path_of(module) else {
                return Err(KernelError::Lacks {
                    version: self.version.clone(),
                    module,
                });
            };
            dependencies.add(path, &mut order, &mut seen);
        }
        Ok(order)
    }
}

fn is_there(opened: io::Result<File>) -> bool {
    opened.is_ok()
}

fn unreadable(path: &str) -> impl FnOnce(io::Error) -> KernelError {
    let path = format!("/{path}");
    move |cause| KernelError::Unreadable { path, cause }
}

/// Name of a module by the path of its file, which may be compressed; `-` and `_` are the same there.
fn module_name(path: &str) -> String {
    let file = path.rsplit('/').next().unwrap_or(path);
    let name = file.split(".ko").next().unwrap_or(file);
    name.replace('-', "_")
}

/// What modules.dep says: for each module the others that it needs.
struct Dependencies(BTreeMap<String, Vec<String>>);

impl Dependencies {
    fn parse(text: &str) -> Self {
        let line = |line: &str| {
            let (module, needs) = line.split_once(':')?;
            let needs = needs.split_whitespace().map(str::to_owned).collect();
            Some((module.to_owned(), needs))
        };
        Self(text.lines().filter_map(line).collect())
    }

    fn path_of(&self, name: &str) -> Option<&str> {
        let mut paths = self.0.keys();
        paths
            .find(|path| module_name(path) == name)
            .map(String::as_str)
    }

    /// Adds a module behind all that it needs. A file of others may go in circles: each comes once.
    fn add(&self, path: &str, order: &mut Vec<String>, seen: &mut BTreeSet<String>) {
        if !seen.insert(path.to_owned()) {
            return;
        }
        // The first that is listed is loaded last.
        for needed in self.0.get(path).into_iter().flatten().rev() {
            if !order.contains(needed) && seen.insert(needed.clone()) {
                order.push(needed.clone());
            }
        }
        order.push(path.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::path::Path;

    fn root(modules: &str, builtin: &str) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        let directory = root.path().join("usr/lib/modules/6.1-x");
        fs::create_dir_all(directory.join("kernel")).unwrap();
        fs::create_dir_all(root.path().join("boot")).unwrap();
        fs::write(root.path().join("boot/vmlinuz-6.1-x"), "kernel").unwrap();
        fs::write(directory.join("modules.dep"), modules).unwrap();
        fs::write(directory.join("modules.builtin"), builtin).unwrap();
        for file in ["virtio_pci.ko", "virtio_ring.ko", "9p.ko.xz", "9pnet.ko.xz"] {
            fs::write(directory.join("kernel").join(file), file).unwrap();
        }
        root
    }

    const BUILTIN: &str =
        "kernel/virtio_blk.ko\nkernel/virtio-console.ko\nkernel/ext4.ko\nkernel/9pnet_virtio.ko\n";
    const MODULES: &str = "kernel/virtio_pci.ko: kernel/virtio_ring.ko\nkernel/virtio_ring.ko:\nkernel/9p.ko.xz: kernel/9pnet.ko.xz\nkernel/9pnet.ko.xz: kernel/9p.ko.xz\n";

    fn found(root: &Path) -> Result<Vec<String>, String> {
        let root = RootDirectory::open(root).unwrap();
        let kernel = Kernel::find(&root).map_err(|error| error.to_string())?;
        let modules = kernel.first_modules(&root).unwrap();
        Ok(modules.into_iter().map(|(name, _)| name).collect())
    }

    #[test]
    fn modules_come_behind_those_that_they_need_also_when_these_go_in_circles() {
        let root = root(MODULES, BUILTIN);
        let order = ["virtio_ring.ko", "virtio_pci.ko", "9pnet.ko.xz", "9p.ko.xz"];
        assert_eq!(found(root.path()), Ok(order.map(str::to_owned).into()));
    }

    #[test]
    fn a_kernel_that_lacks_a_module_is_refused_with_its_name() {
        let root = root("kernel/virtio_pci.ko:\n", BUILTIN);
        let message = found(root.path()).unwrap_err();
        assert!(message.contains("6.1-x has no module 9p"), "{message}");
        let nothing = tempfile::tempdir().unwrap();
        assert!(found(nothing.path()).unwrap_err().contains("no kernel"));
    }

    #[test]
    fn links_of_a_root_directory_lead_to_no_file_outside() {
        let root = root(MODULES, BUILTIN);
        let image = root.path().join("boot/vmlinuz-6.1-x");
        fs::remove_file(&image).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", &image).unwrap();
        assert!(found(root.path()).unwrap_err().contains("no kernel"));
    }
}
