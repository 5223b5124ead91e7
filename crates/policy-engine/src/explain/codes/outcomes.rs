//! What is done with a resource: the beginning of the first sentence.

use super::codes;

codes! {
    STAYS "stays": "{name} {now} and stays there";
        "Nothing has to be done with it.";
        ""; ""
    STAYS_STOPPED "stays-stopped": "{name} {now} and stays so";
        "It does not run, and nothing will be done about that.";
        ""; ""
    STARTING "starting": "{name} {now}, and nothing else is done with it before that has ended";
        "A start is under way.";
        ""; ""
    LEFT_ALONE "left-alone": "{name} {now} and is left alone";
        "Nothing is done with it, whatever happens to it.";
        ""; ""
    STARTS "starts": "{name} {now} and will be started on {to}";
        "It is to be started.";
        ""; ""
    STARTS_AFTER "starts-after": "{name} {now} and will be started on {to} once {waits}";
        "It is to be started, but something about nodes comes first.";
        ""; ""
    STARTS_PROMOTED "starts-promoted": "{name} {now} and will be started and promoted on {to}";
        "It is to be started and promoted.";
        ""; ""
    CANNOT_START "cannot-start": "{name} {now}; it should be started on {to}, but cannot be";
        "It has a place, but its start is not possible now.";
        ""; ""
    CANNOT_PROMOTE "cannot-promote": "{name} {now}; it should be promoted on {to}, but cannot be";
        "It runs, and its promotion is not possible now.";
        ""; ""
    STOPS "stops": "{name} {now} and will be stopped";
        "It is to be stopped and not to be started again.";
        ""; ""
    CANNOT_STOP "cannot-stop": "{name} {now}; it should be stopped, but cannot be";
        "It should not run where it runs, but its stop is not possible now.";
        ""; ""
    MOVES "moves": "{name} {now} and will be moved to {to}";
        "It is to be stopped where it is and started elsewhere.";
        ""; ""
    MIGRATES "migrates": "{name} {now} and will be migrated live to {to}";
        "It is to be moved without a stop.";
        ""; ""
    RESTARTS "restarts": "{name} {now} and will be restarted there";
        "It is to be stopped and started again where it is.";
        ""; ""
    STARTS_ONCE "starts-once": "{name} {now}, and will be stopped there and started on {to}";
        "It runs more than once, and is to run once.";
        ""; ""
    STAYS_ONCE "stays-once": "{name} {now}; it stays on {to}, and will be stopped elsewhere";
        "It runs more than once, and is to go on where it belongs.";
        ""; ""
    RECOVERS "recovers": "{name} {now} and will be recovered there: it is stopped and started again";
        "It failed, and is to be started again where it was.";
        ""; ""
    RECOVERS_ELSEWHERE "recovers-elsewhere": "{name} {now} and will be recovered on {to}";
        "It failed, and is to be started elsewhere.";
        ""; ""
    RELOADS "reloads": "{name} {now} and will be reloaded";
        "Its agent reads its parameters again.";
        ""; ""
    PROMOTES "promotes": "{name} {now} and will be promoted there";
        "It is to be promoted.";
        ""; ""
    DEMOTES "demotes": "{name} {now} and will be demoted";
        "It goes on running, unpromoted.";
        ""; ""
    REPROMOTES "repromotes": "{name} {now} and will be demoted and promoted again";
        "It failed as promoted, and is to be promoted again.";
        ""; ""
    CHANGES "changes": "{name} {now} and will change: {verb}";
        "Something else is to be done with it.";
        ""; ""
}
