//! Plans that were shown, so that what is applied is what was seen.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;
use uuid::Uuid;

use crate::problem::Problem;

/// A plan is kept for so long.
pub(crate) const LIFE: Duration = Duration::from_secs(600);
/// Plans of one principal.
const MOST_EACH: usize = 16;
/// Plans in all.
const MOST: usize = 256;
/// Bytes of their documents and of what they tell.
const MOST_BYTES: usize = 64 << 20;

/// What a plan is about.
#[derive(Debug, Clone)]
pub(crate) enum Subject {
    /// Storing a document, by force or not; generation 0: of a new deployment.
    Document(Arc<str>, bool),
    /// An order about a service.
    Order(Order),
    /// Standby of an assembly (`None`: of all), or its end; by force or not.
    Standby(Option<String>, bool, bool),
    /// A clean-up, a refresh, maintenance or its end.
    Upkeep(Upkeep),
}

impl Subject {
    /// It is also done if it is said that it would not hold.
    pub(crate) fn is_forced(&self) -> bool {
        match self {
            Subject::Document(_, force) | Subject::Standby(_, _, force) => *force,
            Subject::Order(order) => order.force,
            Subject::Upkeep(upkeep) => upkeep.force,
        }
    }
}

/// An order about a service, as PlanService and OrderService have it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Order {
    pub verb: String,
    pub service: String,
    pub assembly: Option<String>,
    pub promoted: bool,
    pub lifetime: Option<String>,
    pub for_ms: Option<u64>,
    pub force: bool,
}

/// Upkeep, as PlanUpkeep and OrderUpkeep have it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Upkeep {
    pub verb: String,
    pub service: Option<String>,
    pub assembly: Option<String>,
    pub action: Option<String>,
    pub interval_ms: Option<u64>,
    pub on: Option<bool>,
    pub force: bool,
}

/// A plan.
#[derive(Debug)]
pub(crate) struct Plan {
    pub id: Uuid,
    pub principal: String,
    pub deployment: String,
    pub subject: Subject,
    /// The generation that it is made from.
    pub generation: u64,
    /// Tells its actions from others.
    pub fingerprint: String,
    /// As it is shown.
    pub told: Value,
    /// What that takes in memory, in bytes.
    pub told_bytes: usize,
    pub made: Instant,
    /// What came of it, if it was applied: it is done once. A problem: nobody knows.
    pub applied: tokio::sync::Mutex<Option<Result<Value, Problem>>>,
}

impl Plan {
    fn bytes(&self) -> usize {
        let subject = match &self.subject {
            Subject::Document(text, _) => text.len(),
            Subject::Order(_) | Subject::Standby(..) | Subject::Upkeep(_) => 0,
        };
        subject + self.told_bytes
    }
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Plans(Mutex<HashMap<Uuid, Arc<Plan>>>);

impl Plans {
    /// Keeps a plan; the oldest make room.
    pub(crate) fn keep(&self, plan: Plan) -> Arc<Plan> {
        let plan = Arc::new(plan);
        let mut plans = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        plans.retain(|_, plan| plan.made.elapsed() < LIFE);
        let is_own = |it: &Plan| it.principal == plan.principal;
        while plans.values().filter(|it| is_own(it)).count() >= MOST_EACH {
            drop_oldest(&mut plans, is_own);
        }
        while plans.len() >= MOST
            || (!plans.is_empty()
                && plans.values().map(|it| it.bytes()).sum::<usize>() + plan.bytes() > MOST_BYTES)
        {
            drop_oldest(&mut plans, |_| true);
        }
        plans.insert(plan.id, Arc::clone(&plan));
        plan
    }

    /// A plan of somebody.
    pub(crate) fn get(&self, id: &Uuid, principal: &str) -> Option<Arc<Plan>> {
        let plans = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let plan = plans.get(id)?;
        let is_good = plan.principal == principal && plan.made.elapsed() < LIFE;
        is_good.then(|| Arc::clone(plan))
    }
}

fn drop_oldest(plans: &mut HashMap<Uuid, Arc<Plan>>, of: impl Fn(&Plan) -> bool) {
    let oldest = plans.values().filter(|it| of(it)).min_by_key(|it| it.made);
    let oldest = oldest.map(|plan| plan.id);
    oldest.and_then(|id| plans.remove(&id));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(principal: &str, bytes: usize) -> Plan {
        Plan {
            id: Uuid::new_v4(),
            principal: principal.to_owned(),
            deployment: "shop".into(),
            subject: Subject::Document("x".repeat(bytes).into(), false),
            generation: 1,
            fingerprint: String::new(),
            told: Value::Null,
            told_bytes: 0,
            made: Instant::now(),
            applied: tokio::sync::Mutex::default(),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_plan_is_its_makers_for_ten_minutes() {
        let plans = Plans::default();
        let id = plans.keep(plan("user:alice", 1)).id;
        assert!(plans.get(&id, "user:alice").is_some());
        assert!(plans.get(&id, "user:bob").is_none());
        tokio::time::advance(LIFE).await;
        assert!(plans.get(&id, "user:alice").is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn the_oldest_make_room() {
        let plans = Plans::default();
        let mut ids = Vec::new();
        for _ in 0..=MOST_EACH {
            ids.push(plans.keep(plan("a", 1)).id);
            tokio::time::advance(Duration::from_millis(1)).await;
        }
        assert!(plans.get(&ids[0], "a").is_none());
        assert!(plans.get(&ids[1], "a").is_some());
        plans.keep(plan("b", MOST_BYTES - 8));
        assert!(plans.get(&ids[1], "a").is_none());
        assert!(plans.get(&ids[MOST_EACH], "a").is_some());
        let long = Plan {
            told_bytes: MOST_BYTES,
            ..plan("c", 1)
        };
        plans.keep(long);
        assert!(plans.get(&ids[MOST_EACH], "a").is_none());
    }
}
