//! Partition tables by sfdisk(8): its script and its report.
use osbuild_stage::{Context, Error, Result, bail};
use serde::Deserialize;

/// A partition to be made; what is not given is sfdisk's choice.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Partition {
    /// First sector.
    pub start: Option<u64>,
    /// Sectors.
    pub size: Option<u64>,
    /// Type: a UUID, or two hexadecimal digits for dos.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// Name (gpt).
    pub name: Option<String>,
    /// UUID (gpt).
    pub uuid: Option<String>,
    /// Bits of the attributes (gpt).
    pub attrs: Vec<u8>,
    /// Whether the firmware boots from it.
    pub bootable: bool,
    /// Number in the table, counted from 1; none: the next.
    pub partnum: Option<u64>,
}

/// The script for a whole table. `device` is the name that numbered partitions are derived from.
///
/// # Errors
/// A value would be more than a value to sfdisk.
pub fn script(device: &str, label: &str, id: &str, partitions: &[Partition]) -> Result<String> {
    let mut lines = vec![
        format!("label: {}", value("label", label)?),
        format!("label-id: {}", value("uuid", id)?),
    ];
    for partition in partitions {
        lines.push(partition.line(device)?);
    }
    Ok(lines.join("\n"))
}

/// A value that is one, also between quotation marks: sfdisk knows no escapes.
fn value<'a>(name: &str, text: &'a str) -> Result<&'a str> {
    match text.contains(|letter: char| letter == '"' || letter.is_control()) {
        true => bail!(
            "{name} of the partition table: {text:?} has a quotation mark or a control character"
        ),
        false => Ok(text),
    }
}

impl Partition {
    fn line(&self, device: &str) -> Result<String> {
        let number = |value: Option<u64>| {
            value
                .filter(|value| *value != 0)
                .map(|value| value.to_string())
        };
        let fields = [
            ("start", number(self.start)),
            ("size", number(self.size)),
            ("type", self.kind.clone()),
            ("name", self.name.clone()),
            ("uuid", self.uuid.clone()),
            ("attrs", Some(self.attributes())),
        ];
        let given = fields
            .into_iter()
            .filter_map(|(name, text)| Some((name, text.filter(|text| !text.is_empty())?)));
        let mut parts = Vec::new();
        for (name, text) in given {
            parts.push(format!("{name}=\"{}\"", value(name, &text)?));
        }
        if self.bootable {
            parts.push("bootable".into());
        }
        let prefix = self
            .partnum
            .map(|number| format!("{device}p{number}: "))
            .unwrap_or_default();
        Ok(prefix + &parts.join(", "))
    }

    fn attributes(&self) -> String {
        let word = |bit: &u8| match bit {
            0 => Some("RequiredPartition".to_owned()),
            1 => Some("NoBlockIOProtocol".to_owned()),
            2 => Some("LegacyBIOSBootable".to_owned()),
            48..=63 => Some(bit.to_string()),
            // Undefined by the standard and unknown to sfdisk.
            _ => None,
        };
        self.attrs
            .iter()
            .filter_map(word)
            .collect::<Vec<_>>()
            .join(",")
    }
}

/// What `sfdisk --json` says of a table.
#[derive(Debug, Clone, Deserialize)]
pub struct Table {
    /// The partitions in the order of the table.
    #[serde(default)]
    pub partitions: Vec<Found>,
}

/// A partition that sfdisk found.
#[derive(Debug, Clone, Deserialize)]
pub struct Found {
    /// Name of its device; ends in its number.
    pub node: String,
    /// First sector.
    pub start: u64,
    /// Sectors.
    pub size: u64,
    /// Type.
    #[serde(rename = "type")]
    pub kind: String,
}

impl Found {
    /// Its number in the table, counted from 1.
    pub fn number(&self) -> Result<u64> {
        let digits = self.node.trim_start_matches(|c: char| !c.is_ascii_digit());
        let digits = digits
            .rsplit(|c: char| !c.is_ascii_digit())
            .next()
            .unwrap_or(digits);
        digits.parse().map_err(|_| {
            Error::new(format!(
                "sfdisk named a partition `{}`, which ends in no number",
                self.node
            ))
        })
    }
}

/// Parses what `sfdisk --json` wrote.
pub fn parse_any(json: &[u8]) -> Result<Table> {
    #[derive(Deserialize)]
    struct Report {
        partitiontable: Table,
    }
    let report: Report = serde_json::from_slice(json)
        .context("cannot read what sfdisk says of the partition table")?;
    Ok(report.partitiontable)
}

/// As [`parse_any`]; there must be `expected` partitions.
pub fn parse(json: &[u8], expected: usize) -> Result<Table> {
    let table = parse_any(json)?;
    if table.partitions.len() != expected {
        bail!(
            "sfdisk made {} partitions instead of {expected}",
            table.partitions.len()
        );
    }
    table
        .partitions
        .iter()
        .try_for_each(|partition| partition.number().map(drop))?;
    Ok(table)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_has_a_line_per_partition() {
        let partitions: Vec<Partition> = serde_json::from_str(
            r#"[{"name": "a", "start": 2048, "size": 2048, "uuid": "U", "type": "T", "bootable": true, "attrs": [0, 2, 5, 60]},
                {"start": 0, "partnum": 4}]"#,
        )
        .unwrap();
        assert_eq!(
            script("/dev/loop1", "gpt", "ID", &partitions).unwrap(),
            "label: gpt\nlabel-id: ID\n\
             start=\"2048\", size=\"2048\", type=\"T\", name=\"a\", uuid=\"U\", attrs=\"RequiredPartition,LegacyBIOSBootable,60\", bootable\n\
             /dev/loop1p4: "
        );
    }

    #[test]
    fn a_value_is_no_more_than_a_value_to_sfdisk() {
        for name in ["a\", type=\"EF", "a\nlabel: dos"] {
            let partition = Partition {
                name: Some(name.into()),
                ..Partition::default()
            };
            let written = script("/dev/loop1", "gpt", "ID", &[partition]);
            assert!(written.is_err(), "{written:?}");
        }
        assert!(script("/dev/loop1", "gpt", "ID\nlabel: dos", &[]).is_err());
    }

    #[test]
    fn a_table_must_have_the_partitions_that_were_asked_for() {
        let json = br#"{"partitiontable": {"partitions": [{"node": "/dev/loop1p14", "start": 1, "size": 2, "type": "83"}]}}"#;
        assert_eq!(parse(json, 1).unwrap().partitions[0].number().unwrap(), 14);
        assert!(parse(json, 2).is_err());
        assert!(parse(br#"{"partitiontable": {"partitions": [{"node": "x", "start": 1, "size": 2, "type": "83"}]}}"#, 1).is_err());
    }
}
