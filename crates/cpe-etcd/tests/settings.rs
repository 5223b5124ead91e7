//! Settings that cannot be used are refused, before anybody is spoken with.

use cpe_etcd::{CALL, Client, Error, Settings, Tls};

async fn refusal(endpoints: &[&str]) -> String {
    let settings = Settings {
        endpoints: endpoints.iter().map(|&it| it.to_owned()).collect(),
        tls: Tls {
            authority: "no certificate".to_owned(),
            certificate: String::new(),
            key: String::new(),
        },
        call: CALL,
    };
    match Client::new(&settings).await {
        Err(Error::Invalid(text)) => text,
        other => format!("{other:?}"),
    }
}

#[tokio::test]
async fn what_is_wrong_with_endpoints_is_said() {
    let none = "the store needs 1 to 9 endpoints, there are 0";
    assert_eq!(refusal(&[]).await, none);
    for wrong in [
        "http://a:1",
        "https://a",
        "https://:1",
        "a:1",
        "https://a:70000",
    ] {
        let text = format!("“{wrong}” is no endpoint of the store: write https://ADDRESS:PORT");
        assert_eq!(refusal(&[wrong]).await, text);
    }
    let twice = "the endpoint https://a:1 is there twice";
    assert_eq!(refusal(&["https://a:1", "https://a:1"]).await, twice);
}

#[tokio::test]
async fn certificates_that_are_none_are_refused() {
    let text = refusal(&["https://127.0.0.1:1"]).await;
    let begin = "the endpoint https://127.0.0.1:1 cannot be used: ";
    assert!(text.starts_with(begin), "{text}");
    // The library's own word says nothing.
    assert!(!text.ends_with("transport error"), "{text}");
}
