//! What `proto/` says, at run time: which methods there are, and which field of a broken message is wrong.

use std::collections::HashMap;
use std::sync::LazyLock;

use bytes::Bytes;
use prost::Message;
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{DescriptorProto, FieldDescriptorProto, FileDescriptorSet};

use crate::failure::Failure;
use crate::proto::DESCRIPTORS;

/// The search for the broken field must not hold the server up over a hostile message of millions of fields.
const FIELDS_SEARCHED: usize = 200_000;

/// Messages and methods by their full names.
struct Schema {
    messages: HashMap<String, DescriptorProto>,
    /// Path to the name of the request.
    methods: HashMap<String, String>,
    services: Vec<String>,
}

static SCHEMA: LazyLock<Schema> = LazyLock::new(|| {
    let set = FileDescriptorSet::decode(DESCRIPTORS).unwrap_or_default();
    let mut schema = Schema { messages: HashMap::new(), methods: HashMap::new(), services: Vec::new() };
    for file in set.file {
        let package = file.package().to_owned();
        for service in &file.service {
            let name = format!("{package}.{}", service.name());
            for method in &service.method {
                schema.methods.insert(format!("/{name}/{}", method.name()), method.input_type().to_owned());
            }
            schema.services.push(name);
        }
        for message in file.message_type {
            schema.messages.insert(format!(".{package}.{}", message.name()), message);
        }
    }
    schema
});

/// Full names of crossfade's services.
pub(crate) fn services() -> impl Iterator<Item = &'static str> {
    SCHEMA.services.iter().map(String::as_str).filter(|name| name.starts_with("crossfade."))
}

/// Whether there is such a method.
#[cfg(test)]
pub(crate) fn has_method(path: &str) -> bool {
    SCHEMA.methods.contains_key(path)
}

/// Paths of all methods.
#[cfg(test)]
pub(crate) fn methods() -> impl Iterator<Item = &'static str> {
    SCHEMA.methods.keys().map(String::as_str)
}

/// The request of a method that is known. Its fields of bytes share the message's memory.
pub(crate) fn decode<M: Message + Default>(path: &str, data: &Bytes) -> Result<M, Failure> {
    M::decode(data.clone()).map_err(|_| undecodable(path, data))
}

/// How often a field comes at the top of a message, as far as it can be read: before it is decoded, when each would become
/// an object of many times its bytes.
pub(crate) fn count(mut data: &[u8], field: u64) -> usize {
    let mut found = 0;
    while let Some((number, value)) = next_field(&mut data) {
        found += usize::from(number == field && value.is_some());
    }
    found
}

/// The number of the next field, and its bytes where it has a size; None at the end, and where the wire format breaks.
fn next_field<'d>(data: &mut &'d [u8]) -> Option<(u64, Option<&'d [u8]>)> {
    let tag = varint(data)?;
    let size = match tag & 7 {
        0 => {
            varint(data)?;
            return Some((tag >> 3, None));
        }
        1 => 8,
        2 => usize::try_from(varint(data)?).ok()?,
        5 => 4,
        _ => return None,
    };
    let (value, rest) = data.split_at_checked(size)?;
    *data = rest;
    Some((tag >> 3, (tag & 7 == 2).then_some(value)))
}

/// Why a request cannot be read, by the field that is wrong where that can be told.
fn undecodable(path: &str, data: &[u8]) -> Failure {
    let name = SCHEMA.methods.get(path).map_or("", String::as_str);
    let short = name.trim_start_matches('.');
    let mut budget = FIELDS_SEARCHED;
    let bad = SCHEMA.messages.get(name).and_then(|kind| bad_string(data, kind, "", &mut budget));
    Failure::invalid(match bad {
        Some((field, offset)) => {
            format!("{field} of the {short} is not valid UTF-8 (at its byte {offset}): send text as UTF-8")
        }
        None => format!(
            "the request is not a readable {short}: its {} bytes are cut short or are not protobuf, or hold text that \
             is not UTF-8; send it with stubs made from crossfade's own .proto files",
            data.len()
        ),
    })
}

/// The first string that is not UTF-8, as a path like `documents[3].text`, and the offending byte in it. None when the
/// wire format itself breaks first, or when all strings are well.
fn bad_string(mut data: &[u8], kind: &DescriptorProto, prefix: &str, budget: &mut usize) -> Option<(String, usize)> {
    let mut seen: HashMap<u64, usize> = HashMap::new();
    while !data.is_empty() {
        *budget = budget.checked_sub(1)?;
        let (number, value) = next_field(&mut data)?;
        let index = seen.entry(number).or_default();
        let position = *index;
        *index += 1;
        let field = kind.field.iter().find(|field| u64::try_from(field.number()) == Ok(number));
        if let (Some(value), Some(field)) = (value, field)
            && let Some(found) = bad_in(value, field, &named(prefix, field, position), budget)
        {
            return Some(found);
        }
    }
    None
}

fn named(prefix: &str, field: &FieldDescriptorProto, position: usize) -> String {
    let repeated = field.label() == Label::Repeated;
    format!("{prefix}{}{}", field.name(), if repeated { format!("[{position}]") } else { String::new() })
}

fn bad_in(value: &[u8], field: &FieldDescriptorProto, path: &str, budget: &mut usize) -> Option<(String, usize)> {
    match field.r#type() {
        Type::Message => {
            let kind = SCHEMA.messages.get(field.type_name())?;
            bad_string(value, kind, &format!("{path}."), budget)
        }
        Type::String => Some((path.to_owned(), std::str::from_utf8(value).err()?.valid_up_to())),
        _ => None,
    }
}

fn varint(data: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..70).step_by(7) {
        let (&byte, rest) = data.split_first()?;
        *data = rest;
        value |= u64::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::crossfade::v1::{Document, EmbedRequest, UpsertRequest};

    const EMBED: &str = "/crossfade.v1.EmbeddingService/Embed";
    const UPSERT: &str = "/crossfade.v1.CollectionService/Upsert";

    fn why(path: &str, data: &[u8]) -> String {
        undecodable(path, data).message
    }

    #[test]
    fn a_string_that_is_not_utf_8_is_named() {
        let mut data = EmbedRequest { texts: vec!["a".into(), "bXc".into()], ..Default::default() }.encode_to_vec();
        let at = data.iter().position(|&byte| byte == b'X').unwrap();
        data[at] = 0xff;
        assert!(decode::<EmbedRequest>(EMBED, &Bytes::from(data.clone())).is_err());
        assert!(why(EMBED, &data).starts_with("texts[1] of the crossfade.v1.EmbedRequest"), "{}", why(EMBED, &data));
        assert!(why(EMBED, &data).contains("at its byte 1"));
        let document = |text: &str| Document { text: text.into(), ..Default::default() };
        let mut data =
            UpsertRequest { documents: vec![document("a"), document("X")], ..Default::default() }.encode_to_vec();
        let at = data.iter().position(|&byte| byte == b'X').unwrap();
        data[at] = 0xff;
        assert!(why(UPSERT, &data).starts_with("documents[1].text of"), "{}", why(UPSERT, &data));
    }

    #[test]
    fn what_is_no_message_is_said_to_be_none() {
        for data in [&[0xff_u8][..], &[0x0a, 200], &[0x0b], &[0xff; 20]] {
            assert!(why(EMBED, data).starts_with("the request is not a readable crossfade.v1.EmbedRequest: its"));
        }
    }

    #[test]
    fn fields_are_counted_before_they_are_read() {
        let request = EmbedRequest { model: "m".into(), texts: vec![String::new(); 7], ..Default::default() };
        let data = request.encode_to_vec();
        assert_eq!((count(&data, 3), count(&data, 1), count(&data, 2), count(&[0x1a, 200], 3)), (7, 1, 0, 0));
    }

    #[test]
    fn methods_and_services_are_those_of_the_files() {
        assert!(has_method(EMBED) && has_method(UPSERT) && !has_method("/crossfade.v1.EmbeddingService/Embedd"));
        assert_eq!(services().count(), 5);
    }
}
