//! Values of module documents that mean nothing.
use super::{MetadataError, ModuleMetadata, schema};
use crate::pattern::{Pattern, steps};
use crate::places::Places;
use crate::reads::is_of_the_run;
use serde_json::Value;

/// Bytes of all paths of rights together; built-in modules have a few hundred. A plan repeats them for every stage.
const LARGEST_RIGHTS: usize = 16 << 10;

/// Linux capabilities (capabilities(7)), without what all their names begin with.
const CAPABILITIES: [&str; 41] = [
    "AUDIT_CONTROL",
    "AUDIT_READ",
    "AUDIT_WRITE",
    "BLOCK_SUSPEND",
    "BPF",
    "CHECKPOINT_RESTORE",
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "IPC_LOCK",
    "IPC_OWNER",
    "KILL",
    "LEASE",
    "LINUX_IMMUTABLE",
    "MAC_ADMIN",
    "MAC_OVERRIDE",
    "MKNOD",
    "NET_ADMIN",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_RAW",
    "PERFMON",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYSLOG",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_CHROOT",
    "SYS_MODULE",
    "SYS_NICE",
    "SYS_PACCT",
    "SYS_PTRACE",
    "SYS_RAWIO",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "WAKE_ALARM",
];

/// What is wrong with a value.
type Check = fn(&str) -> Result<(), String>;

impl ModuleMetadata {
    /// Finds the first value that no module can mean.
    pub(super) fn check(&self) -> Result<(), MetadataError> {
        let lists: [(&str, &[String], Check); 4] = [
            ("capabilities", &self.capabilities, capability),
            ("programs", &self.programs, program),
            ("environment", &self.environment, variable),
            ("reads", &self.reads, build_path),
        ];
        for (list, values, check) in lists {
            for (index, value) in values.iter().enumerate() {
                check(value).map_err(|reason| MetadataError::Impossible {
                    place: format!(".{list}[{index}]"),
                    reason,
                })?;
            }
        }
        let privileged = self.privileged_programs.iter().enumerate();
        for (index, name) in privileged {
            if !self.programs.contains(name) {
                return Err(MetadataError::Impossible {
                    place: format!(".privileged-programs[{index}]"),
                    reason: format!("{name:?} is not one of `programs`"),
                });
            }
        }
        self.check_places()?;
        self.check_rights()
    }

    fn check_places(&self) -> Result<(), MetadataError> {
        let places = self.programs_touch.iter();
        for text in places.clone().flat_map(Places::texts) {
            self.check_pattern(text)
                .map_err(|reason| MetadataError::Impossible {
                    place: ".programs-touch".into(),
                    reason: format!("{text:?}: {reason}"),
                })?;
        }
        let mut checked = places.map(Places::check);
        let wrong = checked.find_map(Result::err);
        wrong.map_or(Ok(()), |(place, reason)| {
            let place = format!(".programs-touch{place}");
            Err(MetadataError::Impossible { place, reason })
        })
    }

    fn check_rights(&self) -> Result<(), MetadataError> {
        let error = |place: String, reason: String| MetadataError::Impossible { place, reason };
        let rights = self.rights.as_deref().unwrap_or_default();
        let paths = rights.iter().flat_map(|right| &right.paths);
        if paths.map(String::len).sum::<usize>() > LARGEST_RIGHTS {
            let reason = format!(
                "the paths have more than {LARGEST_RIGHTS} bytes together: use `*` and `**`"
            );
            return Err(error(".rights".into(), reason));
        }
        for (index, right) in rights.iter().enumerate() {
            let place = format!(".rights[{index}]");
            if right.verbs.is_empty() {
                return Err(error(place + ".verbs", "it has no verb".into()));
            }
            if right.paths.is_empty() {
                return Err(error(place + ".paths", "it has no path".into()));
            }
            for (path, text) in right.paths.iter().enumerate() {
                let place = format!("{place}.paths[{path}]");
                self.check_pattern(text)
                    .map_err(|reason| error(place, format!("path pattern {text:?}: {reason}")))?;
            }
        }
        Ok(())
    }

    fn check_pattern(&self, text: &str) -> Result<(), String> {
        if text.contains(char::is_control) {
            return Err("no path has control characters".into());
        }
        if !text.starts_with('/') && !text.starts_with("${") && !text.contains("://") {
            return Err("it begins with `/`, with a scheme such as `mount://`, or with a reference `${/...}`".into());
        }
        let mut literal = String::new();
        let mut rest = text;
        while let Some((before, reference)) = rest.split_once("${") {
            let (pointer, after) = reference
                .split_once('}')
                .ok_or("a reference ${...} is not closed")?;
            self.check_reference(pointer)?;
            // Any name will do for what an option brings.
            literal += before;
            literal += "x";
            rest = after;
        }
        Pattern::parse(&(literal + rest)).map(drop)
    }

    fn check_reference(&self, pointer: &str) -> Result<(), String> {
        let steps: Vec<_> = steps(pointer)?.collect();
        let old = self.schema.iter();
        let new = self.schema_2.iter().map(|new| (new, new.get("options")));
        let mut options = old
            .map(|old| (old, Some(old)))
            .chain(new)
            .map(|(whole, options)| schema::leads(whole, options.unwrap_or(&Value::Null), &steps))
            .peekable();
        // Without any schema the document says nothing about options.
        if options.peek().is_none() || options.any(|leads| leads) {
            return Ok(());
        }
        Err(format!(
            "no option of the schema gives `${{{pointer}}}` a text or a number"
        ))
    }
}

fn capability(name: &str) -> Result<(), String> {
    let known = name.strip_prefix("CAP_");
    match known.is_some_and(|known| CAPABILITIES.contains(&known)) {
        true => Ok(()),
        false => Err(format!(
            "{name:?} is no capability of Linux, e.g. `CAP_SYS_PTRACE` (capabilities(7) lists them)"
        )),
    }
}

fn program(name: &str) -> Result<(), String> {
    let fits = |c: char| !c.is_control() && !c.is_whitespace() && c != '/';
    match !name.is_empty() && name.chars().all(fits) && !name.starts_with(['.', '-']) {
        true => Ok(()),
        false => Err(format!(
            "{name:?} is no name of a program: it is that of a file in a directory of programs, without the directory"
        )),
    }
}

fn variable(name: &str) -> Result<(), String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let begins = !name.starts_with(|c: char| c.is_ascii_digit()) && !name.is_empty();
    match name {
        "*" => Ok(()),
        _ if osbuild_wasm_protocol::changes_code(name) => Err(format!(
            "{name:?} changes which code programs run: no stage may set it"
        )),
        _ if begins && name.chars().all(fits) => Ok(()),
        _ => Err(format!("{name:?} is no name of a variable, and not `*`")),
    }
}

fn build_path(path: &str) -> Result<(), String> {
    let mut names = path.split('/').skip(1);
    if !path.starts_with('/') || path.contains(char::is_control) {
        return Err(format!("{path:?} is no path: it begins with `/`"));
    }
    match names.any(|name| name == ".." || name == ".") {
        true => Err(format!("{path:?}: `.` and `..` have no place in it")),
        false if is_of_the_run(path) => Err(format!(
            "{path:?} is a directory of the run, not of the build root"
        )),
        false => Ok(()),
    }
}
