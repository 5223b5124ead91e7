//! The gateway's page in a real browser: Debian's Chromium in the network of a lab, with the real
//! gateway, cpe, DPE and guests. What is seen and done is in `tests/browser/`.

use end_to_end::gateway::{MAIL, PAGE_CASES, SHOP, look_at_the_page, missing_for_the_page};
use end_to_end::{Lab, System};
use test_kit::not_tested_here;

use crate::gateway::with_tls;

const GUESTS: [&str; 4] = ["web1", "web2", "app1", "db1"];

/// alice may do all of it; bob, and who logs in with token `web`, look at `shop`.
const ACCESS: &str = r#"delegates = ["cpe-gateway"]
[[grant]]
principal = ["user:alice"]
role = "owner"
deployments = ["*"]
[[grant]]
principal = ["user:bob", "token:web"]
role = "viewer"
deployments = ["shop"]
"#;

#[test]
fn the_page_shows_a_deployment_as_it_lives() {
    if let Some(missing) = missing_for_the_page() {
        // Elsewhere the packages may not be there for the asking.
        assert!(
            std::env::var_os("CI").is_none(),
            "the page is tested in CI, and there is no {missing}"
        );
        not_tested_here(&format!("the page in a browser, without {missing}"));
        return;
    }
    let lab = Lab::boot("page").with_guests(&GUESTS);
    lab.write("/etc/cpe/access.toml", ACCESS);
    lab.write("/srv/mail.xml", MAIL);
    lab.sh(&format!(
        "{SHOP}\nsystemctl restart cpe.service; systemctl start cpe-gateway.socket"
    ))
    .ok();
    lab.sh("cpectl deploy --wait /srv/examples/three-tier.xml; cpectl deploy /srv/mail.xml")
        .ok();
    with_tls(&lab);
    let looked = look_at_the_page(&lab);
    let told = looked.stdout;
    println!("{told}");
    assert_eq!(looked.code, 0, "{told}\n{}", looked.stderr);
    // None of them was left out.
    let held = told.lines().filter(|line| line.starts_with("ok ")).count();
    assert_eq!(held, PAGE_CASES, "{told}");
}
