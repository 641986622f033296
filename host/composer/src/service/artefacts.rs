//! The files that workers send: one directory for each run of a job, which gets the job's name when the job is finished.
use super::{Error, Result};
use osbuild_wasm_jobs::{JobId, Token};
use rustix::fs::OFlags;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use tokio::fs::{self, File, OpenOptions};
use tokio::io::AsyncWriteExt;

/// The directory of a run with files that are not whole yet. Workers cannot use the name.
const PARTS: &str = ".parts";

/// A directory of artefacts, which is the composer's own.
#[derive(Clone, Debug)]
pub struct Artefacts {
    root: PathBuf,
}

impl Artefacts {
    /// Opens the directory, or makes it.
    ///
    /// # Errors
    /// It cannot be made.
    pub async fn open(root: PathBuf) -> Result<Self> {
        let artefacts = Self { root };
        let runs = artefacts.runs();
        fs::create_dir_all(&runs)
            .await
            .map_err(|cause| failed("make", &runs, cause))?;
        Ok(artefacts)
    }

    /// Makes a file and removes it, to see whether that can be done.
    pub(super) async fn try_out(&self) -> Result<()> {
        let path = self.runs().join(format!("probe-{}", Token::random()));
        let cannot = |cause| failed("write", &path, cause);
        let mut file = File::create(&path).await.map_err(cannot)?;
        let written = async {
            file.write_all(b"probe").await?;
            file.sync_all().await
        };
        let written = written.await.map_err(cannot);
        fs::remove_file(&path).await.map_err(cannot)?;
        written
    }

    /// A new file of a run. It gets its name, in place of one that has it, when it is whole.
    pub(super) async fn create(&self, token: Token, name: &str) -> Result<NewArtefact> {
        let whole = self.run(token).join(file_name(name)?);
        let directory = self.run(token).join(PARTS);
        fs::create_dir_all(&directory)
            .await
            .map_err(|cause| failed("make", &directory, cause))?;
        let part = directory.join(Token::random().to_string());
        let file = File::create(&part).await;
        let file = file.map_err(|cause| failed("write", &part, cause))?;
        Ok(NewArtefact { file, part, whole })
    }

    /// The files of a run become those of its job. Repeated after an interruption, it does what is left to do.
    pub(super) async fn publish(&self, token: Token, job: JobId) -> Result<()> {
        let (from, to) = (self.run(token), self.of(job));
        if !fs::try_exists(&from).await.unwrap_or(false) {
            return Ok(());
        }
        remove(&from.join(PARTS)).await?;
        remove(&to).await?;
        fs::rename(&from, &to)
            .await
            .map_err(|cause| failed("move to", &to, cause))?;
        // What is told as finished is there after a loss of power.
        for directory in [&to, &self.root] {
            sync(directory)
                .await
                .map_err(|cause| failed("write", directory, cause))?;
        }
        Ok(())
    }

    /// Forgets the files of a run that came to nothing.
    pub(super) async fn discard(&self, token: Token) -> Result<()> {
        remove(&self.run(token)).await
    }

    /// The runs and the jobs that have files here.
    pub(super) async fn kept(&self) -> Result<(Vec<Token>, Vec<JobId>)> {
        Ok((names(&self.runs()).await?, names(&self.root).await?))
    }

    /// Forgets the files of a job.
    pub(super) async fn remove(&self, job: JobId) -> Result<()> {
        remove(&self.of(job)).await
    }

    /// A file of a finished job.
    pub(super) async fn read(&self, job: JobId, name: &str) -> Result<File> {
        let path = self.of(job).join(file_name(name)?);
        let cannot = |cause| failed("read", &path, cause);
        // A link would lead elsewhere, and a pipe be waited for: workers make neither.
        let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
        let mut options = OpenOptions::new();
        let file = options.read(true).custom_flags(flags).open(&path).await;
        let file = file.map_err(cannot)?;
        match file.metadata().await.map_err(cannot)?.is_file() {
            true => Ok(file),
            false => Err(cannot(io::Error::other("it is no regular file"))),
        }
    }

    /// Names and sizes of the files of a finished job, by name.
    pub(super) async fn files(&self, job: JobId) -> Result<Vec<(String, u64)>> {
        let directory = self.of(job);
        let cannot = |cause| failed("read", &directory, cause);
        let mut entries = match fs::read_dir(&directory).await {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(cannot)?,
        };
        let mut files = Vec::new();
        while let Some(entry) = entries.next_entry().await.map_err(cannot)? {
            let metadata = entry.metadata().await.map_err(cannot)?;
            if let (true, Ok(name)) = (metadata.is_file(), entry.file_name().into_string()) {
                files.push((name, metadata.len()));
            }
        }
        files.sort();
        Ok(files)
    }

    fn runs(&self) -> PathBuf {
        self.root.join("tmp")
    }

    fn run(&self, token: Token) -> PathBuf {
        self.runs().join(token.to_string())
    }

    fn of(&self, job: JobId) -> PathBuf {
        self.root.join(job.to_string())
    }
}

/// A file that is being sent. Dropped, it never was.
#[derive(Debug)]
pub struct NewArtefact {
    file: File,
    part: PathBuf,
    whole: PathBuf,
}

impl NewArtefact {
    /// Adds bytes.
    ///
    /// # Errors
    /// They cannot be written.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let written = self.file.write_all(bytes).await;
        written.map_err(|cause| failed("write", &self.whole, cause))
    }

    /// Gives the file its name: all bytes are there.
    ///
    /// # Errors
    /// It cannot be written.
    pub async fn finish(self) -> Result<()> {
        let named = async {
            self.file.sync_all().await?;
            fs::rename(&self.part, &self.whole).await
        };
        named
            .await
            .map_err(|cause| failed("write", &self.whole, cause))
    }
}

impl Drop for NewArtefact {
    fn drop(&mut self) {
        // One that has its name is not there any longer.
        let _ = std::fs::remove_file(&self.part);
    }
}

/// Has the names of a directory survive a loss of power.
async fn sync(directory: &Path) -> io::Result<()> {
    File::open(directory).await?.sync_all().await
}

/// The names of a directory that are of a kind.
async fn names<T: FromStr>(directory: &Path) -> Result<Vec<T>> {
    let cannot = |cause| failed("read", directory, cause);
    let mut entries = fs::read_dir(directory).await.map_err(cannot)?;
    let mut names = Vec::new();
    while let Some(entry) = entries.next_entry().await.map_err(cannot)? {
        names.extend(
            entry
                .file_name()
                .to_str()
                .and_then(|name| name.parse().ok()),
        );
    }
    Ok(names)
}

/// A name that stays in its directory.
fn file_name(name: &str) -> Result<&str> {
    let is_safe = !["", ".", "..", PARTS].contains(&name) && !name.contains(['/', '\0']);
    if is_safe && name.len() <= 255 {
        return Ok(name);
    }
    let cause = io::Error::new(io::ErrorKind::InvalidInput, "it is no name of a file");
    Err(Error::Artefact {
        what: format!("cannot keep {name:?}"),
        cause,
    })
}

async fn remove(path: &Path) -> Result<()> {
    match fs::remove_dir_all(path).await {
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => Err(failed("remove", path, cause)),
        _ => Ok(()),
    }
}

fn failed(what: &str, path: &Path, cause: io::Error) -> Error {
    Error::Artefact {
        what: format!("cannot {what} {}", path.display()),
        cause,
    }
}
