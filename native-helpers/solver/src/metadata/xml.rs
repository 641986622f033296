//! XML as a sequence of elements and texts.
use super::Result;
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};
use std::borrow::Cow;
use std::io::BufRead;

/// The longest text that one element may have: descriptions of packages have some thousand bytes.
const LONGEST_TEXT: usize = 1 << 20;

/// The longest piece of a document: an element with its attributes, a comment, or what stands between.
const LONGEST_PIECE: u64 = 4 << 20;

/// The beginning of an element.
#[derive(Debug)]
pub(crate) struct Start<'a> {
    element: &'a BytesStart<'a>,
}

impl Start<'_> {
    /// Its name without a prefix.
    pub(crate) fn name(&self) -> &[u8] {
        self.element.local_name().into_inner()
    }

    /// Calls a function with name (without a prefix) and value of each attribute.
    pub(crate) fn each(&self, mut each: impl FnMut(&[u8], Cow<'_, str>)) -> Result<()> {
        for attribute in self.element.attributes().with_checks(false) {
            let attribute = attribute.map_err(|error| error.to_string())?;
            let value =
                std::str::from_utf8(&attribute.value).map_err(|_| "an attribute is not UTF-8")?;
            let value = quick_xml::escape::unescape(value).map_err(|error| error.to_string())?;
            each(attribute.key.local_name().into_inner(), value);
        }
        Ok(())
    }

    /// The value of an attribute.
    pub(crate) fn attribute(&self, wanted: &[u8]) -> Result<Option<String>> {
        let mut found = None;
        self.each(|name, value| {
            if name == wanted {
                found = Some(value.into_owned());
            }
        })?;
        Ok(found)
    }
}

/// What hears of a document.
pub(crate) trait Listener {
    /// An element begins.
    fn start(&mut self, start: &Start<'_>) -> Result<()>;
    /// An element ends, with its text: what stood between its beginning, or that of an element inside of it, and its end.
    fn end(&mut self, name: &[u8], text: &str) -> Result<()>;
}

/// Reads a document to its end.
///
/// # Errors
/// When it is not well-formed, has a document type, or when the listener does not like it.
pub(crate) fn read(source: impl BufRead, listener: &mut impl Listener) -> Result<()> {
    let mut reader = Reader::from_reader(source.take(LONGEST_PIECE));
    reader.config_mut().expand_empty_elements = true;
    let (mut buffer, mut text, mut depth) = (Vec::new(), String::new(), 0u32);
    loop {
        buffer.clear();
        reader.get_mut().set_limit(LONGEST_PIECE);
        let event = reader.read_event_into(&mut buffer);
        if reader.get_ref().limit() == 0 {
            return Err(format!("a piece has more than {LONGEST_PIECE} bytes"));
        }
        match event.map_err(|error| error.to_string())? {
            Event::Start(element) => {
                depth += 1;
                text.clear();
                listener.start(&Start { element: &element })?;
            }
            Event::End(element) => {
                depth = depth.saturating_sub(1);
                listener.end(element.local_name().into_inner(), &text)?;
                text.clear();
            }
            Event::Text(part) => text.push_str(utf8(&part)?),
            Event::CData(part) => text.push_str(utf8(&part)?),
            Event::GeneralRef(name) => text.push_str(&resolve(utf8(&name)?)?),
            Event::DocType(_) => {
                return Err("it has a document type, which metadata never has".to_owned());
            }
            Event::Eof if depth > 0 => return Err("it ends in the middle".to_owned()),
            Event::Eof => return Ok(()),
            _ => {}
        }
        if text.len() > LONGEST_TEXT {
            return Err(format!(
                "an element has more than {LONGEST_TEXT} bytes of text"
            ));
        }
    }
}

fn utf8(bytes: &[u8]) -> Result<&str> {
    std::str::from_utf8(bytes).map_err(|_| "a text is not UTF-8".to_owned())
}

/// What a reference stands for: a character, or one of the five entities of XML itself.
fn resolve(name: &str) -> Result<String> {
    let resolved = quick_xml::escape::unescape(&format!("&{name};")).map(Cow::into_owned);
    resolved.map_err(|error| error.to_string())
}
