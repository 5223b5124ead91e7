//! Check 7: the page in a real browser. What is seen and done is in `tests/browser/`.

use end_to_end::gateway::{PAGE_CASES, look_at_the_page, missing_for_the_page};

use crate::report::Findings;
use crate::stage::Stage;

/// A card is in its new column so soon after the event.
const SOON_MS: u32 = 2000;
/// Pictures of the page that are kept.
const PICTURES: usize = 5;

pub(crate) fn page(stage: &Stage, findings: &mut Findings) {
    if let Some(missing) = missing_for_the_page() {
        findings.not_done(&format!("anything in a browser, without {missing}"));
        return;
    }
    let output = look_at_the_page(&stage.lab);
    let told = output.stdout;
    let (good, wrong) = told.split_once("NOT OK ").unwrap_or((&*told, ""));
    for line in good.lines() {
        findings.tell(line.trim());
    }
    if output.code != 0 {
        println!("{wrong}{}", output.stderr);
    }
    let held = told.lines().filter(|line| line.starts_with("ok ")).count();
    findings.check(
        &format!("{held} of {PAGE_CASES} cases hold: moves without a reload, no other host, no violation of the policy, axe, no scripts, \"not live\" and back"),
        output.code == 0 && held == PAGE_CASES,
    );
    let moved = told.lines().find_map(|line| {
        let (_, rest) = line.split_once("in its new place ")?;
        rest.split(' ').next()?.parse::<u32>().ok()
    });
    findings.check(
        &format!("web's card runs in web2 less than {SOON_MS} ms after the event: {moved:?} ms"),
        moved.is_some_and(|moved| moved < SOON_MS),
    );
    let compared = told.matches("dots differ from the kept picture").count();
    findings.check(
        &format!(
            "{compared} pictures (light, dark, print, without scripts, 320 px) are those of tests/browser/pictures, but for 0.05 % of their dots"
        ),
        compared == PICTURES,
    );
    findings.tell("screenshots: target/screenshots");
}
