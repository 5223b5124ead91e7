//! Large documents.

use end_to_end::{Document, Lab, System};

#[test]
fn a_document_of_a_thousand_services_is_accepted_and_started() {
    let lab = Lab::boot("thousand").with_guests(&["a", "b"]);
    let mut document = Document::new("big", &["a", "b"]);
    for n in 0..1000 {
        document = document.service(&format!(
            r#"<service name="s{n}" class="ocf" provider="heartbeat" type="Dummy"/>"#
        ));
    }
    lab.write("/srv/document.xml", &document.xml());
    lab.cpectl(&["deploy", "/srv/document.xml"]).ok();
    lab.wait("all thousand services run", 300, || {
        lab.status("big").all_running()
    });
    assert_eq!(lab.status("big").services().len(), 1000);
}
