//! The refs that the summary of a repository of OSTree names: a GVariant of type `(a(s(taya{sv}))a{sv})`, see ostree-summary(1) and the
//! specification of GVariant (docs.gtk.org/glib/gvariant-specification-1.0.html).

/// The longest name that is told.
const LONGEST: usize = 255;

/// The names of refs; none where it is no summary.
pub(crate) fn refs(summary: &[u8]) -> Vec<String> {
    read(summary).unwrap_or_default()
}

fn read(summary: &[u8]) -> Option<Vec<String>> {
    let list = first_member(summary)?;
    let ends = ends(list)?;
    let mut names = Vec::new();
    let mut start = 0;
    for end in ends {
        let name = first_member(list.get(start..end)?)?.strip_suffix(b"\0")?;
        names.push(std::str::from_utf8(name).ok()?.to_owned());
        // Each begins at a multiple of 8, which the number in it has to.
        start = end.checked_next_multiple_of(8)?;
    }
    // What nobody would write is not shown to anybody.
    names.retain(|name| name.len() <= LONGEST && !name.contains(char::is_control));
    Some(names)
}

/// The first member of a tuple with two members of variable size: its end is noted at that of the tuple.
fn first_member(tuple: &[u8]) -> Option<&[u8]> {
    let end = offset(tuple, tuple.len().checked_sub(offset_size(tuple))?)?;
    tuple.get(..end)
}

/// Where the elements of an array end, which is noted behind the last of them.
fn ends(array: &[u8]) -> Option<Vec<usize>> {
    if array.is_empty() {
        return Some(Vec::new());
    }
    let size = offset_size(array);
    let noted = offset(array, array.len().checked_sub(size)?)?;
    let places = (noted..array.len()).step_by(size);
    places.map(|place| offset(array, place)).collect()
}

/// How many bytes an offset in this container has.
fn offset_size(container: &[u8]) -> usize {
    match container.len() {
        0..=0xff => 1,
        0x100..=0xffff => 2,
        0x1_0000..=0xffff_ffff => 4,
        _ => 8,
    }
}

/// The offset at a place: little-endian.
fn offset(container: &[u8], place: usize) -> Option<usize> {
    let bytes = container.get(place..place.checked_add(offset_size(container))?)?;
    let number = bytes.iter().rev();
    let number = number.fold(0u64, |number, byte| number << 8 | u64::from(*byte));
    usize::try_from(number).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_summary_names_nothing() {
        for wrong in [
            &b""[..],
            b"\0",
            b"\xff",
            b"\x01\x01",
            b"main\0\x05\x06",
            &[0xff; 300],
            &[0; 70000],
        ] {
            assert_eq!(refs(wrong), Vec::<String>::new());
        }
    }
}
