//! The queue with made-up time; and what another process makes of what it wrote.

use std::collections::BTreeMap;

use super::*;
use crate::model::Labels;

fn notification(group: &str) -> Notification {
    Notification {
        sequence: 0,
        group_key: group.to_owned(),
        group_labels: Labels::new(),
        common_labels: Labels::new(),
        common_annotations: Labels::new(),
        alerts: Vec::new(),
        truncated: 0,
        made: UnixMillis(0),
    }
}

fn queue() -> Queue {
    Queue::new(ChannelName::new("ops").unwrap())
}

fn failure(retryable: bool) -> SendFailure {
    SendFailure { reason: "status 500".to_owned(), retryable, retry_after: None }
}

fn begun(queue: &mut Queue, now: u64) -> Option<u64> {
    queue.begin(UnixMillis(now)).map(|notification| notification.sequence)
}

#[test]
fn one_at_a_time_and_in_order_for_each_group() {
    let mut queue = queue();
    for group in ["a", "a", "b"] {
        queue.push(notification(group), UnixMillis(0));
    }
    assert_eq!((begun(&mut queue, 0), begun(&mut queue, 0)), (Some(1), None));
    assert_eq!(queue.failed(&failure(true), 1.0, UnixMillis(0)), None);
    // The second of `a` waits for the first; `b` does not.
    assert_eq!(begun(&mut queue, 0), Some(3));
    queue.arrived();
    assert_eq!((begun(&mut queue, 999), queue.due()), (None, Some(UnixMillis(1000))));
    assert_eq!(begun(&mut queue, 1000), Some(1));
    queue.arrived();
    assert_eq!(begun(&mut queue, 1000), Some(2));
    queue.arrived();
    assert_eq!((queue.waiting(), queue.due()), (0, None));
}

#[test]
fn pauses_grow_to_a_bound_and_the_receiver_may_ask_for_longer() {
    let pauses = [1, 2, 3, 6, 7, 100].map(|tries| pause(tries, 1.0).as_secs());
    assert_eq!(pauses, [1, 2, 4, 32, 60, 60]);
    assert_eq!(pause(3, 0.5), Duration::from_secs(2));
    let mut queue = queue();
    queue.push(notification("a"), UnixMillis(0));
    begun(&mut queue, 0);
    let patient = SendFailure { retry_after: Some(Duration::from_secs(90)), ..failure(true) };
    queue.failed(&patient, 0.0, UnixMillis(0));
    assert_eq!(queue.due(), Some(UnixMillis(90_000)));
}

#[test]
fn what_cannot_be_sent_is_a_dead_letter_that_may_be_sent_again() {
    let mut queue = queue();
    queue.push(notification("a"), UnixMillis(0));
    begun(&mut queue, 0);
    let dead = queue.failed(&failure(false), 0.0, UnixMillis(5)).unwrap();
    assert_eq!((dead.reason.as_str(), queue.waiting()), ("status 500", 0));
    let late = 2 * RETRY_FOR.as_millis() as u64;
    assert!(!queue.resend(7, UnixMillis(late)) && queue.resend(1, UnixMillis(late)));
    assert_eq!(begun(&mut queue, late), Some(1));
    assert_eq!(queue.failed(&failure(true), 0.0, UnixMillis(late)), None, "it has time again");
    let later = late + RETRY_FOR.as_millis() as u64;
    assert_eq!(begun(&mut queue, later), Some(1));
    let dead = queue.failed(&failure(true), 0.0, UnixMillis(later)).unwrap();
    assert!(dead.reason.starts_with("given up after 2 tries: status 500"), "{}", dead.reason);
    assert!(queue.forget(1) && !queue.forget(1));
}

#[test]
fn the_oldest_is_given_up_for_one_too_many_but_not_what_is_being_sent() {
    let mut queue = queue();
    for _ in 0..MAX_QUEUED {
        assert_eq!(queue.push(notification("a"), UnixMillis(0)), None);
    }
    assert_eq!(begun(&mut queue, 0), Some(1));
    let given_up = queue.push(notification("a"), UnixMillis(0)).unwrap();
    assert_eq!(given_up.notification.sequence, 2);
    assert_eq!(queue.waiting(), MAX_QUEUED);
}

#[test]
fn none_is_begun_before_the_pace_allows_it() {
    let mut queue = queue();
    queue.limit(Some(1));
    for group in ["a", "b"] {
        queue.push(notification(group), UnixMillis(0));
    }
    assert_eq!(begun(&mut queue, 5), Some(1));
    queue.arrived();
    assert_eq!((begun(&mut queue, 60_004), queue.due()), (None, Some(UnixMillis(60_005))));
    assert_eq!(begun(&mut queue, 60_005), Some(2));
}

/// What a store makes of a queue's writes, and another process of that.
fn reborn(queue: &mut Queue, store: &mut BTreeMap<AlertKey, AlertRow>) -> Queue {
    for write in queue.take_writes() {
        match write {
            AlertWrite::Put(row) => _ = store.insert(row.key(), row),
            AlertWrite::Forget(key) => _ = store.remove(&key),
            AlertWrite::Append(entry) => panic!("{entry:?}"),
        }
    }
    let mut queue = self::queue();
    for row in store.values().cloned() {
        match row {
            AlertRow::Sequence(_, last) => queue.continue_after(last),
            AlertRow::Letter(letter) => queue.restore(letter),
            other => panic!("{other:?}"),
        }
    }
    queue
}

fn sequences(queue: &Queue) -> (Vec<u64>, Vec<u64>) {
    let waiting = queue.waiting.iter().map(Waiting::sequence);
    (waiting.collect(), queue.dead().map(|dead| dead.notification.sequence).collect())
}

#[test]
fn another_process_goes_on_with_what_waits_and_what_was_given_up() {
    let (mut queue, mut store) = (queue(), BTreeMap::new());
    for group in ["a", "b", "c"] {
        queue.push(notification(group), UnixMillis(7));
    }
    begun(&mut queue, 7);
    queue.failed(&failure(false), 0.0, UnixMillis(8)).unwrap();
    begun(&mut queue, 8); // and nobody ever hears how that went
    let mut queue = reborn(&mut queue, &mut store);
    assert_eq!(sequences(&queue), (vec![2, 3], vec![1]));
    let dead = queue.dead().next().unwrap();
    assert_eq!((dead.reason.as_str(), dead.at), ("status 500", UnixMillis(8)));
    assert_eq!(queue.waiting[0].since, UnixMillis(7));

    assert!(queue.resend(1, UnixMillis(9)));
    let mut queue = reborn(&mut queue, &mut store);
    assert_eq!(sequences(&queue), (vec![1, 2, 3], vec![]));
    for _ in 0..3 {
        begun(&mut queue, 9).unwrap();
        queue.arrived().unwrap();
    }
    let mut queue = reborn(&mut queue, &mut store);
    assert_eq!(sequences(&queue), (vec![], vec![]));
    queue.push(notification("a"), UnixMillis(10));
    assert_eq!(sequences(&queue).0, [4], "no sequence is given twice");
    begun(&mut queue, 10);
    queue.failed(&failure(false), 0.0, UnixMillis(10)).unwrap();
    assert!(queue.forget(4));
    assert_eq!(sequences(&reborn(&mut queue, &mut store)), (vec![], vec![]));
}

#[test]
fn of_very_many_dead_letters_the_oldest_is_forgotten() {
    let (mut queue, mut store) = (queue(), BTreeMap::new());
    for _ in 0..MAX_DEAD + 1 {
        queue.push(notification("a"), UnixMillis(0));
        begun(&mut queue, 0);
        queue.failed(&failure(false), 0.0, UnixMillis(0)).unwrap();
    }
    let sequences = sequences(&reborn(&mut queue, &mut store));
    assert_eq!((queue.dead().count(), sequences.1.len()), (MAX_DEAD, MAX_DEAD));
    assert_eq!(sequences.1[0], 2);
}
