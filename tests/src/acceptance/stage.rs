//! Where the checks take place: one booted lab with the three-tier shop, the gateway with TLS, and
//! people who may do different things.

use end_to_end::gateway::{CERTIFICATE, MAIL, SHOP};
use end_to_end::{Document, Lab, Output, System};
use serde_json::Value;

/// Guests of the shop, and two for what is killed and moved.
const GUESTS: [&str; 6] = ["web1", "web2", "app1", "db1", "a", "b"];
/// `sleep`s of the deployment `pair`: `s0` sleeps so many seconds, `s1` one more, ….
pub(crate) const FIRST_SLEEPER: u32 = 910_000;
/// So many services are moved.
pub(crate) const SLEEPERS: u32 = 10;

/// alice may do all; bob and token `web` look at the shop; each role has a token.
const ACCESS: &str = r#"delegates = ["cpe-gateway"]
[[grant]]
principal = ["user:alice", "token:owner"]
role = "owner"
deployments = ["*"]
[[grant]]
principal = ["user:bob", "token:web"]
role = "viewer"
deployments = ["shop"]
[[grant]]
principal = ["token:viewer"]
role = "viewer"
deployments = ["*"]
[[grant]]
principal = ["token:operator"]
role = "operator"
deployments = ["*"]
"#;

pub(crate) struct Stage {
    pub(crate) lab: Lab,
}

impl Stage {
    /// Boots it. Panics with what did not work.
    pub(crate) fn boot() -> Stage {
        let lab =
            Lab::boot_for("acceptance", std::time::Duration::from_secs(3600)).with_guests(&GUESTS);
        lab.write("/etc/cpe/access.toml", ACCESS);
        lab.write("/srv/mail.xml", MAIL);
        lab.sh(&format!(
            "{SHOP}\n{CERTIFICATE}\nsystemctl restart cpe.service
             systemctl start cpe-gateway.socket cpe-gateway-tls.socket cpe-gateway.service"
        ))
        .ok();
        let stage = Stage { lab };
        stage
            .sh("cpectl deploy --wait /srv/examples/three-tier.xml; cpectl deploy /srv/mail.xml")
            .ok();
        let mut pair = Document::new("pair", &["a", "b"]);
        for number in 0..SLEEPERS {
            pair = pair.sleeper(&format!("s{number}"), FIRST_SLEEPER + number);
        }
        // Its own, so that it is no deployment that was renamed.
        let text = pair.xml().replace("6a11\"", "6a33\"");
        stage.lab.write("/srv/pair.xml", &text);
        stage
            .lab
            .cpectl(&["deploy", "--wait", "/srv/pair.xml"])
            .ok();
        stage
    }

    pub(crate) fn sh(&self, script: &str) -> Output {
        self.lab.sh(script)
    }

    /// What curl is answered at the Unix socket: the status, and the body.
    pub(crate) fn ask(&self, who: &str, arguments: &str) -> (String, String) {
        let output = self.sh(&format!("{} {arguments}", curl(who)));
        let (body, status) = output.stdout.rsplit_once('\n').unwrap_or(("", "000"));
        (status.to_owned(), body.to_owned())
    }

    /// The same of alice, as JSON; null if the answer has another form.
    pub(crate) fn json(&self, arguments: &str) -> Value {
        serde_json::from_str(&self.ask("alice", arguments).1).unwrap_or_default()
    }

    /// Waits until the gateway answers, and its mirror has something.
    #[track_caller]
    pub(crate) fn wait_for_gateway(&self) {
        self.lab.wait("the gateway is ready", 90, || {
            self.ask("alice", "http://localhost/readyz").0 == "200"
        });
    }

    /// Waits until nothing is under way in a deployment.
    #[track_caller]
    pub(crate) fn settle(&self, deployment: &str) {
        let waited = self
            .lab
            .cpectl(&["wait", deployment, "--for", "settled", "--timeout", "90s"]);
        assert_eq!(waited.code, 0, "{deployment} does not settle: {waited:?}");
    }

    /// Has the gateway run with more settings for a while.
    pub(crate) fn with_settings(&self, settings: &str, does: impl FnOnce()) {
        let restart = "systemctl restart cpe-gateway.service";
        self.sh("cp /etc/cpe/gateway.toml /srv/gateway.toml").ok();
        self.sh(&format!(
            "printf '{settings}' >> /etc/cpe/gateway.toml; {restart}"
        ))
        .ok();
        self.wait_for_gateway();
        does();
        self.sh(&format!(
            "cp /srv/gateway.toml /etc/cpe/gateway.toml; {restart}"
        ))
        .ok();
        self.wait_for_gateway();
    }

    /// Cursors of the event log from one on.
    pub(crate) fn cursors(&self) -> Vec<u64> {
        let events = self.lab.events().into_iter();
        events
            .filter_map(|event| event.field("cursor").parse().ok())
            .collect()
    }

    /// How often the event log tells that somebody had this done in a deployment.
    pub(crate) fn times(&self, deployment: &str, action: &str) -> usize {
        let events = self.lab.events().into_iter();
        let own = events.filter(|event| {
            event.kind() == "deployment.administered"
                && event.field("state") == "done"
                && event.0["details"]["action"] == action
                && event.field("deployment") == deployment
        });
        own.count()
    }
}

/// curl as a user of the lab, with the answer's status in a line of its own at the end.
pub(crate) fn curl(who: &str) -> String {
    format!(
        "runuser -u {who} -- curl --silent --max-time 60 --unix-socket /run/cpe-gateway/http.sock -H 'X-CPE-Request: 1' -w '\\n%{{http_code}}'"
    )
}
