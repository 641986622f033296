//! The initial RAM disk: the first process with the libraries that it needs, and modules of the kernel.
use crate::cpio::Archive;
use crate::kernel::{Kernel, KernelError};
use crate::root::RootDirectory;
use osbuild_wasm_protocol::FirstSteps;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// Where the parts are in it.
const PROGRAM: &str = "first-process";
const LOADER: &str = "loader";
const LIBRARIES: &str = "lib";
const MODULES: &str = "modules";

/// Writes an initial RAM disk for a kernel of `root`, whose first process is `helper`; `steps` gets its modules. Returns the words of
/// the kernel's command line that start it.
///
/// # Errors
/// Something cannot be read, or the archive not be written.
pub fn write_initrd(
    to: File,
    helper: &Path,
    (root, kernel): (&RootDirectory, &Kernel),
    mut steps: FirstSteps,
) -> Result<String, KernelError> {
    let failed = |path: &Path| {
        let path = path.display().to_string();
        move |cause| KernelError::Unreadable { path, cause }
    };
    let modules = kernel.first_modules(root)?;
    let names = modules.iter().map(|(name, _)| name);
    steps.modules = names
        .map(|name| Path::new("/").join(MODULES).join(name))
        .collect();
    let initrd = Path::new("initial RAM disk");
    let mut archive = Archive::new(BufWriter::new(to));
    skeleton(&mut archive).map_err(failed(initrd))?;
    for (name, file) in modules {
        let name = format!("{MODULES}/{name}");
        add(&mut archive, &name, file).map_err(failed(Path::new(&name)))?;
    }
    let mut programs = libraries().map_err(failed(Path::new("/proc/self/maps")))?;
    programs.insert(PROGRAM.to_owned(), helper.to_owned());
    for (name, path) in &programs {
        File::open(path)
            .and_then(|file| add(&mut archive, name, file))
            .map_err(failed(path))?;
    }
    let text = serde_json::to_vec(&steps).map_err(io::Error::from);
    text.and_then(|text| {
        let name = FirstSteps::PATH.trim_start_matches('/');
        archive.file(name, text.len() as u64, text.as_slice())?;
        archive.finish()
    })
    .map_err(failed(initrd))?;
    let word = FirstSteps::WORD;
    Ok(format!(
        "rdinit=/{LOADER} -- --library-path /{LIBRARIES} /{PROGRAM} {word}"
    ))
}

fn skeleton<W: Write>(archive: &mut Archive<W>) -> io::Result<()> {
    for name in ["dev", "proc", "sys", LIBRARIES, MODULES] {
        archive.directory(name)?;
    }
    // The kernel opens it for the first process before that could make it.
    archive.characters("dev/console", (5, 1))
}

fn add<W: Write>(archive: &mut Archive<W>, name: &str, file: File) -> io::Result<()> {
    let size = file.metadata()?.len();
    archive.file(name, size, file)
}

/// The loader and the libraries of this process, with their names in the archive. The helper needs no others: both are built together.
fn libraries() -> io::Result<BTreeMap<String, PathBuf>> {
    let maps = std::fs::read_to_string("/proc/self/maps")?;
    let mut found = BTreeMap::new();
    for path in maps
        .lines()
        .filter_map(|line| Some(&line[line.find('/')?..]))
    {
        let name = path.rsplit('/').next().unwrap_or(path);
        if name.starts_with("ld-") || name.starts_with("ld64.") {
            found.insert(LOADER.to_owned(), PathBuf::from(path));
        } else if name.contains(".so") {
            found.insert(format!("{LIBRARIES}/{name}"), PathBuf::from(path));
        }
    }
    match found.contains_key(LOADER) {
        true => Ok(found),
        false => Err(io::Error::other("this program is linked without a loader")),
    }
}
