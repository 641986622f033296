//! Puts a module document into a component.
use crate::metadata::SECTION;

/// The component with `json` appended as section `osbuild:module`. Nothing else of it changes.
pub fn embed(component: &[u8], json: &[u8]) -> Vec<u8> {
    // A custom section of a component binary: id 0, then its length, its name with length, its content.
    let mut content = Vec::with_capacity(json.len() + SECTION.len() + 2);
    push_length(&mut content, SECTION.len());
    content.extend_from_slice(SECTION.as_bytes());
    content.extend_from_slice(json);
    let mut packed = component.to_vec();
    packed.push(0);
    push_length(&mut packed, content.len());
    packed.extend_from_slice(&content);
    packed
}

/// Unsigned LEB128.
fn push_length(bytes: &mut Vec<u8>, mut length: usize) {
    loop {
        let low = u8::try_from(length & 0x7f).unwrap_or(0);
        length >>= 7;
        bytes.push(if length == 0 { low } else { low | 0x80 });
        if length == 0 {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_section_has_its_length_in_leb128() {
        let packed = embed(b"", &[b'x'; 200]);
        let content = 1 + SECTION.len() + 200;
        assert_eq!(packed[0], 0);
        assert_eq!(
            usize::from(packed[1] & 0x7f) | usize::from(packed[2]) << 7,
            content
        );
        assert_eq!(packed.len(), 3 + content);
    }
}
