//! Extended headers of POSIX.1-2001, with the keys that GNU tar uses for extended attributes.
use super::header::{Format, Member, pad};
use osbuild_stage::name::to_bytes;
use osbuild_stage::{Result, Tree, path};

/// Records `LENGTH KEY=VALUE` of one member.
#[derive(Debug, Clone, Default)]
pub struct Records {
    records: Vec<(String, Vec<u8>)>,
}

impl Records {
    /// Adds a record.
    pub fn push(&mut self, key: impl Into<String>, value: &[u8]) {
        self.records.push((key.into(), value.into()));
    }

    /// Whether there is a record of that key.
    pub fn has(&self, key: &str) -> bool {
        self.records.iter().any(|(name, _)| name == key)
    }

    /// The member that carries the records, in front of the one that they belong to; nothing when there are none.
    pub fn blocks(&self, of: &Member) -> Result<Vec<u8>> {
        if self.records.is_empty() {
            return Ok(Vec::new());
        }
        let mut content: Vec<u8> = self
            .records
            .iter()
            .flat_map(|(key, value)| record(key, value))
            .collect();
        let directory = Some(path::parent(&of.name))
            .filter(|directory| !directory.is_empty())
            .unwrap_or(".");
        let mut name = format!("{directory}/PaxHeaders/{}", path::name(&of.name));
        while name.len() > 100 || !name.is_ascii() {
            // Only a hint for readers that do not know extended headers.
            name = format!("./PaxHeaders/{}", name.len());
        }
        let modified = of.modified.clamp(0, (1 << 33) - 1);
        let carrier = Member {
            name,
            mode: 0o644,
            size: content.len() as u64,
            modified,
            kind: b'x',
            ..Member::default()
        };
        let mut blocks = carrier.blocks(Format::Ustar, Self::default())?;
        pad(&mut content);
        blocks.extend(content);
        Ok(blocks)
    }
}

/// The length counts its own digits.
fn record(key: &str, value: &[u8]) -> Vec<u8> {
    // It may have the name of an attribute in it.
    let key = to_bytes(key);
    let rest = key.len() + value.len() + 3;
    let mut length = rest;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    let mut record = format!("{length} ").into_bytes();
    record.extend(&*key);
    record.push(b'=');
    record.extend(value);
    record.push(b'\n');
    record
}

/// Which extended attributes are stored.
#[derive(Debug, Clone, Copy)]
pub struct Wanted {
    /// POSIX access control lists, as text.
    pub acls: bool,
    /// The SELinux label.
    pub selinux: bool,
    /// Attributes whose names begin with one of these, as they are.
    pub xattrs: &'static [&'static str],
}

impl Wanted {
    /// Whether anything is.
    pub fn any(self) -> bool {
        self.acls || self.selinux || !self.xattrs.is_empty()
    }

    /// Adds the records for an object of the tree.
    pub fn collect(self, tree: &Tree, path: &str, records: &mut Records) -> Result<()> {
        if !self.any() {
            return Ok(());
        }
        let mut plain = Vec::new();
        for name in tree.xattrs(path)? {
            let Some(value) = tree.xattr(path, &name)? else {
                continue;
            };
            match name.as_str() {
                "system.posix_acl_access" if self.acls => {
                    push_acl(records, "SCHILY.acl.access", &value)
                }
                "system.posix_acl_default" if self.acls => {
                    push_acl(records, "SCHILY.acl.default", &value)
                }
                "security.selinux" if self.selinux => {
                    records.push(
                        "RHT.security.selinux",
                        value.strip_suffix(&[0]).unwrap_or(&value),
                    );
                }
                _ => {}
            }
            plain.push((name, value));
        }
        for (name, value) in plain {
            if self.xattrs.iter().any(|start| name.starts_with(start)) {
                records.push(format!("SCHILY.xattr.{name}"), &value);
            }
        }
        Ok(())
    }
}

fn push_acl(records: &mut Records, key: &str, value: &[u8]) {
    if let Some(text) = acl_text(value) {
        records.push(key, text.as_bytes());
    }
}

/// The text of a list as the kernel stores it (version 2: entries of tag, permissions and id, little endian).
fn acl_text(value: &[u8]) -> Option<String> {
    let entries = value.strip_prefix(&[2, 0, 0, 0])?.chunks_exact(8);
    let mut text = String::new();
    for entry in entries {
        let tag = u16::from_le_bytes([entry[0], entry[1]]);
        let permissions = u16::from_le_bytes([entry[2], entry[3]]);
        let id = u32::from_le_bytes([entry[4], entry[5], entry[6], entry[7]]);
        let who = match tag {
            0x01 => "user:".to_owned(),
            0x02 => format!("user:{id}"),
            0x04 => "group:".to_owned(),
            0x08 => format!("group:{id}"),
            0x10 => "mask:".to_owned(),
            0x20 => "other:".to_owned(),
            _ => return None,
        };
        let letter = |bit, letter| if permissions & bit != 0 { letter } else { '-' };
        text += &format!(
            "{who}:{}{}{}\n",
            letter(4, 'r'),
            letter(2, 'w'),
            letter(1, 'x')
        );
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_count_their_own_length() {
        assert_eq!(
            record("SCHILY.xattr.user.a", b"b"),
            b"25 SCHILY.xattr.user.a=b\n"
        );
        assert_eq!(record("k", &[b'v'; 95]).len(), 102);
        assert!(record("k", &[b'v'; 95]).starts_with(b"102 k=v"));
    }

    #[test]
    fn acls_are_written_as_text() {
        let mut value = vec![2, 0, 0, 0];
        for (tag, permissions, id) in [
            (1u16, 6u16, u32::MAX),
            (2, 4, 1234),
            (4, 4, u32::MAX),
            (16, 4, u32::MAX),
            (32, 4, u32::MAX),
        ] {
            value.extend(tag.to_le_bytes());
            value.extend(permissions.to_le_bytes());
            value.extend(id.to_le_bytes());
        }
        assert_eq!(
            acl_text(&value).unwrap(),
            "user::rw-\nuser:1234:r--\ngroup::r--\nmask::r--\nother::r--\n"
        );
    }
}
