//! XML text to a small tree in which every element, attribute and value knows its byte offset.
//!
//! quick-xml finds the markup; attributes are read here, strictly and with their positions. DTDs
//! and entities other than XML's five own are refused, so nothing expands; size, depth, the number
//! of elements and of attributes are bounded.
//!
//! Not on roxmltree: it bounds neither nesting nor the attributes of an element, although it
//! compares them each with each, and says neither where an element was opened that is never closed
//! nor where a DTD stands. Not on the tree of [`policy_engine::xml`]: that one is made for large
//! CIBs, and keeps neither text nor the places of attributes.

mod attributes;
mod characters;
mod element;
mod fault;
mod parse;

pub use characters::MAX_SIZE;
pub(crate) use characters::{decode, is_id};
pub(crate) use element::{Attribute, Element};
pub use parse::MAX_DEPTH;
pub(crate) use parse::parse;

#[cfg(test)]
mod tests {
    use policy_engine::xml::Writer;

    use super::parse::MAX_ELEMENTS;
    use super::*;

    fn refused(text: &str) -> (usize, String) {
        let fault = decode(text.as_bytes()).and_then(parse).expect_err(text);
        (fault.offset, fault.message)
    }

    #[test]
    fn it_knows_the_offset_of_elements_attributes_values_and_text() {
        let text = "<?xml version=\"1.0\"?>\n<a  b = 'c&amp;d'\n e=\"\">\n <!-- x --> <f/> text &#65;<![CDATA[<]]></a >";
        let root = parse(text).unwrap();
        let at = |needle: &str| text.find(needle).unwrap();
        assert_eq!((root.name, root.offset), ("a", at("<a")));
        let b = root.attribute("b").unwrap();
        assert_eq!(
            (&*b.value, b.offset, b.value_offset),
            ("c&d", at("b ="), at("c&amp;d"))
        );
        assert_eq!(root.children[0].offset, at("<f"));
        let content = root.text.as_ref().unwrap();
        assert_eq!(
            (content.value.trim(), content.offset),
            ("text A<", at("text"))
        );
    }

    #[test]
    fn it_refuses_document_types_and_entities() {
        assert_eq!(
            refused("<!DOCTYPE a><a/>").1,
            "document type declarations are refused"
        );
        assert_eq!(
            refused("<a>&x;</a>"),
            (3, "this entity is not known: entities are refused".into())
        );
        assert_eq!(refused("<a b='&x;'/>").0, 6);
        assert!(
            refused("<a b='&#0;'/>")
                .1
                .contains("not a character that XML allows")
        );
    }

    #[test]
    fn it_bounds_depth_size_elements_and_attributes() {
        let deep = "<a>".repeat(MAX_DEPTH + 1);
        assert_eq!(refused(&deep).0, 3 * MAX_DEPTH);
        assert!(
            refused(&" ".repeat(MAX_SIZE + 1))
                .1
                .contains("more than the")
        );
        assert!(
            refused(&format!("<r>{}</r>", "<a/>".repeat(MAX_ELEMENTS)))
                .1
                .contains("elements")
        );
        let attributes: String = (0..=100).map(|n| format!(" a{n}=''")).collect();
        assert!(
            refused(&format!("<r{attributes}/>"))
                .1
                .contains("attributes")
        );
    }

    #[test]
    fn it_reads_what_it_writes() {
        let text = "<a x=\"1 &lt; 2 &amp; &quot;3&quot;&#x0A;\">\n  <b/>\n</a>\n";
        let root = parse(text).unwrap();
        let mut xml = Writer::new();
        root.write(&mut xml);
        assert_eq!(xml.finish(), text);
    }

    #[test]
    fn it_says_where_an_element_was_opened_that_is_closed_by_another_name() {
        let fault = parse("<a>\n<b>\n</a>").unwrap_err();
        assert_eq!(fault.message, "found </a> where </b> is expected");
        assert_eq!(fault.hint.as_deref(), Some("<b> was opened in line 2"));
    }
}
