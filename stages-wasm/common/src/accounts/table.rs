//! One database file: lines of fields separated by `:`.
use crate::lines;
use osbuild_stage::{Result, Tree};

/// One of passwd, group, shadow, gshadow, subuid, subgid; lines that are no entries are kept as they are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Table {
    lines: Vec<Vec<String>>,
    changed: bool,
}

impl Table {
    /// Parses the text of a table.
    pub fn parse(text: &str) -> Self {
        Self {
            lines: text
                .lines()
                .map(|line| line.split(':').map(Into::into).collect())
                .collect(),
            changed: false,
        }
    }

    /// Reads a table; none when the file does not exist.
    pub fn read_if_exists(tree: &Tree, path: &str) -> Result<Option<Self>> {
        Ok(tree.read_if_exists(path)?.map(|text| Self::parse(&text)))
    }

    /// Whether it has to be written.
    pub fn is_changed(&self) -> bool {
        self.changed
    }

    /// Writes the table the way the tools do: the old file stays under its name with `-` at the end.
    pub fn write(&self, tree: &Tree, path: &str) -> Result<()> {
        let old = tree.stat(path)?;
        let before = tree.read(path)?;
        for (path, content) in [
            (format!("{path}-"), before),
            (path.to_owned(), self.render().into_bytes()),
        ] {
            lines::put(tree, &path, content, old.mode)?;
            tree.set_owner(&path, Some(old.uid), Some(old.gid))?;
        }
        Ok(())
    }

    /// All entries.
    pub fn entries(&self) -> impl Iterator<Item = &Vec<String>> {
        self.lines.iter().filter(|fields| fields.len() > 1)
    }

    /// The first entry of that name.
    pub fn entry(&self, name: &str) -> Option<&Vec<String>> {
        self.entries().find(|fields| fields[0] == name)
    }

    /// The first entry with that number in its third field.
    pub fn entry_of_id(&self, id: u32) -> Option<&Vec<String>> {
        self.entries().find(|fields| id_field(fields) == Some(id))
    }

    /// The number in the third field of that entry: uid in passwd, gid in group.
    pub fn id_of(&self, name: &str) -> Option<u32> {
        id_field(self.entry(name)?)
    }

    /// The smallest number above those in use between `low` and `high`, otherwise the smallest free one.
    pub fn free_id(&self, low: u32, high: u32) -> Option<u32> {
        let highest = self
            .entries()
            .filter_map(|fields| id_field(fields))
            .filter(|id| (low..=high).contains(id))
            .max();
        match highest {
            None => Some(low).filter(|low| *low <= high),
            Some(highest) if highest < high => Some(highest + 1),
            Some(_) => (low..=high).find(|id| self.entry_of_id(*id).is_none()),
        }
    }

    /// Adds an entry at the end, but before the lines by which the rest is left to the network (`+` and `-`).
    pub fn push<S: Into<String>>(&mut self, fields: impl IntoIterator<Item = S>) {
        let is_network = |fields: &Vec<String>| fields[0].starts_with(['+', '-']);
        let place = self.lines.iter().position(is_network);
        let fields = fields.into_iter().map(Into::into).collect();
        self.lines.insert(place.unwrap_or(self.lines.len()), fields);
        self.changed = true;
    }

    /// Sets a field of the first entry of that name; an entry without that field grows.
    pub fn set(&mut self, name: &str, field: usize, value: impl Into<String>) {
        let Some(fields) = self
            .lines
            .iter_mut()
            .find(|fields| fields.len() > 1 && fields[0] == name)
        else {
            return;
        };
        if fields.len() <= field {
            fields.resize(field + 1, String::new());
        }
        let value = value.into();
        self.changed |= fields[field] != value;
        fields[field] = value;
    }

    /// Orders the lines by the number in their second field.
    pub fn sort_by_second(&mut self) {
        self.lines.sort_by_key(|fields| {
            fields
                .get(1)
                .and_then(|text| text.parse().ok())
                .unwrap_or(u64::MAX)
        });
    }

    /// Counts as changed, so that it is written.
    pub fn touch(&mut self) {
        self.changed = true;
    }

    /// Makes `member` a member of just those groups whose names are in `groups`; with `keep` it also stays where it is. Members are
    /// the fourth field of group and gshadow.
    pub fn set_member(&mut self, member: &str, groups: &[String], keep: bool) {
        for fields in self.lines.iter_mut().filter(|fields| fields.len() > 3) {
            let mut members: Vec<&str> = fields[3]
                .split(',')
                .filter(|name| !name.is_empty())
                .collect();
            let (is, shall) = (members.contains(&member), groups.contains(&fields[0]));
            match (is, shall) {
                (false, true) => members.push(member),
                (true, false) if !keep => members.retain(|name| *name != member),
                _ => continue,
            }
            fields[3] = members.join(",");
            self.changed = true;
        }
    }

    /// The text of the table.
    pub fn render(&self) -> String {
        self.lines
            .iter()
            .map(|fields| fields.join(":") + "\n")
            .collect()
    }
}

fn id_field(fields: &[String]) -> Option<u32> {
    fields.get(2)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_keeps_what_it_does_not_know() {
        let text = "root:x:0:0::/root:/bin/sh\n# note\n+\njoe:x:1000:1000\n";
        let table = Table::parse(text);
        assert_eq!(table.render(), text);
        assert_eq!(
            (table.id_of("joe"), table.id_of("# note")),
            (Some(1000), None)
        );
        assert_eq!(table.entry_of_id(0).unwrap()[0], "root");
    }

    #[test]
    fn a_new_id_is_above_the_others_while_there_is_room() {
        let table = Table::parse("a:x:1000:\nb:x:1005:\nc:x:7:\n");
        assert_eq!(table.free_id(1000, 2000), Some(1006));
        assert_eq!(table.free_id(1000, 1005), Some(1001));
        assert_eq!(table.free_id(3000, 4000), Some(3000));
        assert_eq!(table.free_id(7, 7), None);
    }

    #[test]
    fn membership_is_set_or_extended() {
        let mut table = Table::parse("a:x:1:joe\nb:x:2:\nc:x:3:x,joe\n");
        table.set_member("joe", &["b".into()], true);
        assert_eq!(table.render(), "a:x:1:joe\nb:x:2:joe\nc:x:3:x,joe\n");
        table.set_member("joe", &["b".into()], false);
        assert_eq!(table.render(), "a:x:1:\nb:x:2:joe\nc:x:3:x\n");
    }
}
