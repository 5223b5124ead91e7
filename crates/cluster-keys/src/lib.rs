//! Names of all keys that hosts share in etcd, and which of them a host may write.
//!
//! Every key of this project begins with [`ALL`]. N is a deployment's name, H a host's, G a
//! generation of 20 digits, U the id of an upload, E an event's id, A a guest's address, P a
//! principal, I the id of an order. What may have a `/` in it is written as [`part`] does.
//!
//! | key | what it is | written by |
//! | --- | --- | --- |
//! | `cluster/meta` | schema, the store's id, how often it was restored | who makes the store |
//! | `cluster/host/H`, `cluster/alive/H` | a host, and its session | membership |
//! | `cluster/own/N` | who runs N; its revision makes the DPE's epochs | membership |
//! | `cluster/dep/N` | what membership knows of N | the store; membership ends it |
//! | `cluster/pulse`, `change/C` | a beat for watches; outcomes of changes | membership |
//! | `store/dep/N` | N: uuid, generation, owner, what it has come to | the store |
//! | `store/gen/N/G` | a generation: who stored it, and its upload | the store |
//! | `doc/N/U/00…` | an upload in chunks, each written once | the store |
//! | `ev/E` | an event; its revision is its place in the log | the store |
//! | `order/P/I`, `order-of/N/P/I` | an order, and the deployment that it goes with | the store |
//! | `left/A` | services of a destroyed deployment may still run there | the store |
//! | `fact/N/KEY` | a fact of N's DPE; writes compare `cluster/own/N` and `.writer` | the owner |
//! | `fact/N/.writer` | who has written last: each write changes it | the owner |
//! | `log/H` | how far H has copied the log | H |

#![warn(missing_docs)]

/// Of everything that this project keeps.
pub const ALL: &str = "/cpe/v1/";

/// Of what every host lists and watches. One prefix, so that one watch tells of it in order.
pub const CLUSTER: &str = "/cpe/v1/cluster/";
/// The store as a whole.
pub const META: &str = "/cpe/v1/cluster/meta";
/// Hosts.
pub const HOST: &str = "/cpe/v1/cluster/host/";
/// Sessions of hosts.
pub const ALIVE: &str = "/cpe/v1/cluster/alive/";
/// Deployments, as membership knows them.
pub const DEPLOYMENT: &str = "/cpe/v1/cluster/dep/";
/// Who runs them.
pub const OWNER: &str = "/cpe/v1/cluster/own/";
/// What is written once a second, so that a watch has something to tell.
pub const PULSE: &str = "/cpe/v1/cluster/pulse";
/// Outcomes of membership's changes, which nobody watches.
pub const CHANGE: &str = "/cpe/v1/change/";

/// Deployments, as the store knows them.
pub const ROW: &str = "/cpe/v1/store/dep/";
/// Generations of their documents.
pub const GENERATION: &str = "/cpe/v1/store/gen/";
/// The documents.
pub const DOCUMENT: &str = "/cpe/v1/doc/";
/// Events.
pub const EVENT: &str = "/cpe/v1/ev/";
/// Orders.
pub const ORDER: &str = "/cpe/v1/order/";
/// Orders, by deployment.
pub const ORDER_OF: &str = "/cpe/v1/order-of/";
/// Where services were left.
pub const LEFT: &str = "/cpe/v1/left/";
/// Facts of DPEs.
pub const FACT: &str = "/cpe/v1/fact/";
/// How far hosts have copied the log.
pub const LOG: &str = "/cpe/v1/log/";

/// Prefixes that every host's role reads,
pub const READ: &[&str] = &[ALL];

/// that every host's role writes: any host may take what another one has had, and carries out what
/// administrators want of another one,
pub const WRITE: &[&str] = &[
    META, HOST, DEPLOYMENT, OWNER, PULSE, CHANGE, ROW, GENERATION, DOCUMENT, EVENT, ORDER,
    ORDER_OF, LEFT, FACT,
];

/// and those that, with a host's name after them, only its own role writes: nobody else says that
/// it is alive, or is not.
pub const OWN: &[&str] = &[ALIVE, LOG];

/// Bytes of a name of a host or a deployment. Names of files have 255.
pub const LONGEST_NAME: usize = 200;

/// Whether that may be the name of a host or a deployment: it is a part of keys, and of names of
/// files.
pub fn is_name(name: &str) -> bool {
    let may_be = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let begins_well = name.bytes().next().is_some_and(|byte| byte != b'.');
    begins_well && name.len() <= LONGEST_NAME && name.bytes().all(may_be)
}

/// A text as one part of a key, so that no two texts are the same part, and none ends early.
pub fn part(text: &str) -> String {
    text.replace('%', "%25").replace('/', "%2F")
}

/// A deployment, as the store knows it.
pub fn row(name: &str) -> String {
    format!("{ROW}{}", part(name))
}

/// The same, as membership knows it.
pub fn deployment(name: &str) -> String {
    format!("{DEPLOYMENT}{}", part(name))
}

/// Who runs it.
pub fn owner(name: &str) -> String {
    format!("{OWNER}{}", part(name))
}

/// All its generations.
pub fn generations(name: &str) -> String {
    format!("{GENERATION}{}/", part(name))
}

/// One of them.
pub fn generation(name: &str, number: u64) -> String {
    format!("{}{number:020}", generations(name))
}

/// All its uploads.
pub fn uploads(name: &str) -> String {
    format!("{DOCUMENT}{}/", part(name))
}

/// One of them.
pub fn upload(name: &str, id: &str) -> String {
    format!("{}{}/", uploads(name), part(id))
}

/// A chunk of it.
pub fn chunk(name: &str, id: &str, number: usize) -> String {
    format!("{}{number:04}", upload(name, id))
}

/// An event.
pub fn event(id: &str) -> String {
    format!("{EVENT}{}", part(id))
}

/// All orders of a principal.
pub fn orders(principal: &str) -> String {
    format!("{ORDER}{}/", part(principal))
}

/// One of them.
pub fn order(principal: &str, id: &str) -> String {
    format!("{}{}", orders(principal), part(id))
}

/// All orders of a deployment. Not by its uuid: documents may say the same for several.
pub fn orders_of(deployment: &str) -> String {
    format!("{ORDER_OF}{}/", part(deployment))
}

/// One of them.
pub fn order_of(deployment: &str, principal: &str, id: &str) -> String {
    format!("{}{}/{}", orders_of(deployment), part(principal), part(id))
}

/// Where services were left.
pub fn left(address: &str) -> String {
    format!("{LEFT}{}", part(address))
}

/// All facts of a DPE.
pub fn facts(name: &str) -> String {
    format!("{FACT}{}/", part(name))
}

/// One of them. Its name is the end of the key, and stands there as it is.
pub fn fact(name: &str, key: &str) -> String {
    format!("{}{key}", facts(name))
}

/// Who has written facts of that DPE last. It is none of them: their names begin with a letter.
pub fn fact_writer(name: &str) -> String {
    fact(name, ".writer")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_may_write_what_is_written_and_only_its_own_session() {
        let may = |key: &str| WRITE.iter().any(|prefix| key.starts_with(prefix));
        let keys = [
            row("n"),
            deployment("n"),
            owner("n"),
            generation("n", 1),
            chunk("n", "u", 1),
            event("e"),
            order("p", "i"),
            order_of("n", "p", "i"),
            left("unix:/a"),
            fact("n", "safe/a"),
            fact_writer("n"),
        ];
        for key in keys {
            assert!(may(&key) && key.starts_with(ALL), "{key}");
        }
        assert!(!may(ALIVE) && !may(LOG));
    }

    #[test]
    fn no_two_texts_are_the_same_part() {
        assert_ne!(order("a/b", "c"), order("a", "b/c"));
        assert_ne!(part("a/b"), part("a%2Fb"));
        assert!(!order("a", "1").starts_with(&orders("a/1")));
        assert!(!generation("shop", 1).starts_with(&generations("sho")));
    }
}
