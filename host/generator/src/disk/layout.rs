//! Where partitions lie and how large they and the disk are.
use super::size::{fit, round_up};
use super::tree::partition_of;
use crate::GeneratorError;
use osbuild_wasm_distro::{Partition, PartitionTable, TableKind};

/// Entries of a GPT, at least, and the size of one.
const GPT_ENTRIES: u64 = 128;
const GPT_ENTRY_SIZE: u64 = 128;

/// Decides place and size of every partition and the size of the disk, which is `size` at least. The partition with
/// the root of the system lies last and takes what is left.
///
/// # Errors
/// The disk would be larger than a file can be.
pub fn lay_out(table: &mut PartitionTable, size: u64) -> Result<(), GeneratorError> {
    let grain = table.grain();
    let header = header(table);
    let footer = match table.kind {
        TableKind::Gpt => round_up(header, grain),
        TableKind::Dos => 0,
    }
    .saturating_add(table.extra_padding);
    let root = partition_of(table, "/");
    let mut start = if table.absolute_start_offset {
        header.max(table.start_offset)
    } else {
        round_up(header.saturating_add(table.start_offset), grain)
    };
    for index in (0..table.partitions.len())
        .filter(|index| Some(*index) != root)
        .chain(root)
    {
        place(&mut table.partitions[index], &mut start, grain);
    }
    let end = round_up(start.saturating_add(footer), grain);
    table.size = table.size.max(round_up(size, grain)).max(end);
    if i64::try_from(table.size).is_err() {
        return Err(GeneratorError::PartitionTable(format!(
            "the disk would have {} bytes, which is more than a file can have: ask for less",
            table.size
        )));
    }
    if let Some(root) = root.filter(|_| table.policy.grow_root_to_fill_disk) {
        let root = &mut table.partitions[root];
        root.size = table.size - root.start - footer;
    }
    table.partitions.sort_by_key(|partition| partition.start);
    Ok(())
}

/// Puts a partition at `start` and moves that behind it.
fn place(partition: &mut Partition, start: &mut u64, grain: u64) {
    partition.start = *start;
    if let Some(payload) = &partition.payload {
        partition.size = fit(payload, partition.size);
    }
    partition.size = round_up(partition.size, grain);
    *start = start.saturating_add(partition.size);
}

/// Room for the label at the beginning of the disk.
fn header(table: &PartitionTable) -> u64 {
    match table.kind {
        TableKind::Gpt => {
            table.sector() + GPT_ENTRIES.max(table.partitions.len() as u64) * GPT_ENTRY_SIZE
        }
        TableKind::Dos => table.sector(),
    }
}
