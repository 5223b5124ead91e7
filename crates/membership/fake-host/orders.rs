//! What the test wants, a line each; what came of it, a line each.

use membership::Handle;
use ownership::{Change, ChangeId, DeploymentId, HostId, Needs, Order, What};
use tokio::sync::mpsc;

/// The shortest lease of a deployment's guests, ms. Nobody has any here.
const LEASE_MS: u32 = 30_000;

pub(crate) async fn take(handle: Handle) {
    let (to_lines, mut lines) = mpsc::channel(10);
    std::thread::spawn(move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            if to_lines.blocking_send(line).is_err() {
                return;
            }
        }
    });
    while let Some(line) = lines.recv().await {
        let words: Vec<&str> = line.split(' ').collect();
        let answer = match words[..] {
            ["status"] => {
                let status = handle.status();
                let trouble = status.trouble.map(|trouble| trouble.text);
                format!("{:?} {trouble:?}", status.host)
            }
            ["drain", host] => order(&handle, Order::Drain(HostId::new(host))).await,
            ["activate", host] => order(&handle, Order::Activate(HostId::new(host))).await,
            ["lost", host] => order(&handle, Order::ConfirmLost(HostId::new(host))).await,
            ["move", name, host] => {
                let (name, host) = (DeploymentId::new(name), HostId::new(host));
                order(&handle, Order::Move(name, host)).await
            }
            ["create", name, id] => {
                let what = What::Create(Needs::default(), LEASE_MS);
                change(&handle, name, id, what).await
            }
            ["destroy", name, id] => change(&handle, name, id, What::Destroy).await,
            _ => "what?".to_owned(),
        };
        println!("{answer}");
    }
}

async fn order(handle: &Handle, order: Order) -> String {
    match handle.order(order).await {
        Some(outcome) => format!("{outcome:?}"),
        None => "nothing".to_owned(),
    }
}

async fn change(handle: &Handle, name: &str, id: &str, what: What) -> String {
    let id = ChangeId(id.parse().unwrap_or_default());
    let deployment = DeploymentId::new(name);
    let change = Change {
        id,
        deployment,
        what,
    };
    match handle.change(change).await {
        Some(answer) => format!("{answer:?}"),
        None => "nothing".to_owned(),
    }
}
