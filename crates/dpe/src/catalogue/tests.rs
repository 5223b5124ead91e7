//! Guests that are played here: honest, hostile, hanging, and of others.

use std::sync::Mutex;

use cpe_bus::peer::{Access, PeerListener, server_builder};
use cpe_bus::{AgentDescription, Fields, PeerAddress};

use super::*;

/// An agent that knows one parameter.
const HONEST: &str = "<resource-agent name='db' version='1.0'><shortdesc>A database</shortdesc>\
    <parameters><parameter name='port'><content type='integer'/></parameter></parameters>\
    <actions/></resource-agent>";

/// How a guest answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    Honest,
    /// Nothing is installed.
    Bare,
    /// It never answers a question about agents.
    Hangs,
    /// Its metadata is not XML, and drives a terminal.
    Garbage,
    /// It answers with more than is taken.
    Floods,
    /// It lists more agents than there may be, of any name.
    Boasts,
    /// It belongs to another deployment.
    Foreign,
}

struct Played {
    manner: Manner,
    asked: Arc<Mutex<Vec<String>>>,
}

#[zbus::interface(name = "org.cloudpolicy.Agent1")]
impl Played {
    fn describe(&self) -> Fields {
        let deployment = match self.manner {
            Manner::Foreign => "bank",
            _ => "",
        };
        let described = AgentDescription {
            machine_id: "m1".into(),
            boot_id: "b1".into(),
            deployment: deployment.into(),
            ..AgentDescription::default()
        };
        described.to_fields()
    }

    async fn list_agents(&self, _class: String) -> Result<(Vec<String>, u32)> {
        match self.manner {
            Manner::Hangs => std::future::pending().await,
            Manner::Boasts => {
                let mut all: Vec<String> = (0..20_000).map(|n| format!("ocf:x:a{n}")).collect();
                all.extend([
                    "../etc/passwd".into(),
                    "ocf:../..:sh".into(),
                    "\u{1b}[2J".into(),
                ]);
                Ok((all, 7))
            }
            _ => Ok((vec!["ocf:test:db".into()], 0)),
        }
    }

    async fn metadata(&self, class: String, provider: String, kind: String) -> Result<String> {
        let name = format!("{class}:{provider}:{kind}");
        self.asked.lock().unwrap().push(name);
        match self.manner {
            Manner::Hangs => std::future::pending().await,
            Manner::Bare => Err(Error::NotFound("it is not installed".into())),
            Manner::Garbage => Ok("\u{1b}[2J<resource-agent".into()),
            Manner::Floods => Ok("x".repeat(4 << 20)),
            _ => Ok(HONEST.into()),
        }
    }
}

/// Guests on sockets in a folder, by name.
struct Guests {
    folder: tempfile::TempDir,
    asked: Arc<Mutex<Vec<String>>>,
    names: Vec<String>,
    served: JoinSet<()>,
}

impl Guests {
    async fn play(manners: &[Manner]) -> Guests {
        let mut guests = Guests {
            folder: tempfile::tempdir().unwrap(),
            asked: Arc::default(),
            names: Vec::new(),
            served: JoinSet::new(),
        };
        for (number, manner) in manners.iter().enumerate() {
            let name = format!("a{number}");
            let address = PeerAddress::Unix(guests.folder.path().join(&name));
            let listener = PeerListener::bind(&address, &Access::default()).await;
            let (listener, asked) = (listener.unwrap(), Arc::clone(&guests.asked));
            let manner = *manner;
            guests.served.spawn(async move {
                let mut kept = Vec::new();
                while let Ok(stream) = listener.accept().await {
                    let asked = Arc::clone(&asked);
                    let builder = server_builder(stream).unwrap();
                    let builder =
                        builder.serve_at("/org/cloudpolicy/agent1", Played { manner, asked });
                    kept.extend(builder.build().await.ok());
                }
            });
            guests.names.push(name);
        }
        guests
    }

    /// A document with a service that gives the agent one parameter that it does not know.
    fn document(&self) -> String {
        let folder = self.folder.path().display();
        let assemblies = self.names.iter();
        let assemblies = assemblies
            .map(|name| format!("<assembly name='{name}' address='unix:{folder}/{name}'/>"));
        format!(
            "<deployable name='shop'><assemblies>{}</assemblies>\n<services>\
             <service name='db' class='ocf' provider='test' type='db' instances='all'>\n\
             <parameters><parameter name='prot' value='1'/></parameters></service></services></deployable>",
            assemblies.collect::<String>()
        )
    }

    async fn check(&self, catalogue: &Catalogue) -> AgentCheck {
        let (deployment, uses) = uses(self.document()).await.unwrap();
        catalogue.check(&deployment, uses).await.unwrap()
    }
}

fn reasons(unasked: &[Unasked]) -> Vec<(&str, &str)> {
    let reasons = unasked.iter();
    reasons
        .map(|one| (one.assembly.as_str(), one.reason.as_str()))
        .collect()
}

const UNKNOWN: &str = "ocf:test:db has no parameter 'prot'; did you mean 'port'?";

fn catalogue() -> Catalogue {
    let side = cpe_bus::peer::Side::Dpe {
        deployment: "shop".into(),
    };
    Catalogue::new("shop", Credentials::new("/nonexistent".as_ref(), side))
}

#[tokio::test]
async fn a_document_is_checked_and_what_was_said_is_kept_for_a_while() {
    let guests = Guests::play(&[Manner::Honest, Manner::Honest]).await;
    let catalogue = catalogue();
    for _ in 0..3 {
        let check = guests.check(&catalogue).await;
        assert_eq!(check.unasked, []);
        let [warning] = &check.warnings[..] else {
            panic!("{check:?}");
        };
        assert_eq!((warning.line, warning.column), (3, 13));
        assert_eq!(warning.message, UNKNOWN);
    }
    assert_eq!(guests.asked.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn one_guests_answer_never_hurts_the_others() {
    let manners = [
        Manner::Honest,
        Manner::Hangs,
        Manner::Garbage,
        Manner::Floods,
        Manner::Foreign,
        Manner::Bare,
    ];
    let mut guests = Guests::play(&manners).await;
    // Nobody listens there.
    guests.names.push("a6".into());
    let begun = Instant::now();
    let check = guests.check(&catalogue()).await;
    assert!(begun.elapsed() < 3 * CHECK_TIME, "{:?}", begun.elapsed());
    let messages: Vec<&str> = check
        .warnings
        .iter()
        .map(|it| it.message.as_str())
        .collect();
    assert_eq!(messages.len(), 2, "{messages:?}");
    assert!(
        messages[0].contains("cannot run in a5: ocf:test:db is not installed"),
        "{messages:?}"
    );
    assert_eq!(messages[1], UNKNOWN);
    let silent = reasons(&check.unasked);
    let names: Vec<&str> = silent.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["a1", "a2", "a3", "a4", "a6"], "{silent:?}");
    assert!(silent[0].1.contains("did not answer in time"), "{silent:?}");
    assert!(
        silent[1].1.contains("ocf:test:db cannot be read"),
        "{silent:?}"
    );
    assert!(
        silent[3].1.contains("assembly  of deployment bank"),
        "{silent:?}"
    );
    assert!(silent[4].1.contains("no agent listens"), "{silent:?}");
    let longest = silent.iter().map(|(_, reason)| reason.len()).max();
    assert!(longest <= Some(400));
    assert!(
        silent
            .iter()
            .all(|(_, reason)| !reason.contains(char::is_control))
    );
}

#[tokio::test]
async fn agents_are_listed_with_the_guests_that_have_them() {
    let guests = Guests::play(&[Manner::Honest, Manner::Boasts, Manner::Honest]).await;
    let (deployment, _) = uses(guests.document()).await.unwrap();
    let list = catalogue().list(&deployment, "").await;
    // Those that were listed first have their place.
    let count = list.agents.len();
    assert!((4_096..=8_192).contains(&count), "{count}");
    assert_eq!(list.cut_off, ["a1"]);
    let db = list
        .agents
        .iter()
        .find(|it| it.agent == "ocf:test:db")
        .unwrap();
    assert_eq!(db.assemblies, ["a0", "a2"]);
    assert_eq!(
        (db.version.as_str(), db.short.as_str()),
        ("1.0", "A database")
    );
    assert!(list.agents.iter().all(|it| parse(&it.agent).is_ok()));
}

#[tokio::test]
async fn an_agent_is_described_once_for_all_guests_that_say_the_same() {
    let guests = Guests::play(&[Manner::Honest, Manner::Bare, Manner::Honest]).await;
    let (deployment, _) = uses(guests.document()).await.unwrap();
    let catalogue = catalogue();
    let agent = parse("ocf:test:db").unwrap();
    let found = catalogue.describe(&deployment, &agent, None).await;
    assert_eq!(found.missing, ["a1"]);
    let [variant] = &found.variants[..] else {
        panic!("{found:?}");
    };
    assert_eq!(variant.assemblies, ["a0", "a2"]);
    assert_eq!(variant.metadata.parameters[0].kind, "integer");
    let one = catalogue.describe(&deployment, &agent, Some("a2")).await;
    assert_eq!(one.variants[0].assemblies, ["a2"]);
}

#[test]
fn a_name_of_an_agent_is_no_path() {
    assert_eq!(parse("systemd:a@b").unwrap().to_string(), "systemd:a@b");
    for bad in [
        "",
        "db",
        "ocf:db",
        "ocf:..:sh",
        "ocf:a:../b",
        "lsb:",
        "stonith:x",
        "ocf:a:b\n",
    ] {
        assert!(
            matches!(parse(bad), Err(Error::InvalidArgument(_))),
            "{bad}"
        );
    }
}
