//! What waits to be sent to one channel: in order for each group, tried again with growing pauses.
//!
//! Pure: fed the clock and a random number. What is to be kept over restarts is handed out as
//! [writes](Queue::take_writes).

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::pace::Pace;
use crate::model::{ChannelName, Notification, SendFailure, UnixMillis};
use crate::store::alerts::{AlertKey, AlertRow, AlertWrite, Letter};

/// Notifications that wait for one channel; the oldest becomes a dead letter for one more.
pub const MAX_QUEUED: usize = 1000;
/// Dead letters of one channel; the oldest is forgotten for one more.
const MAX_DEAD: usize = 1000;
/// The pause after a failure is up to this, and up to twice as long after each further one (full jitter,
/// <https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/>).
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// What could not be sent for so long becomes a dead letter.
const RETRY_FOR: Duration = Duration::from_secs(24 * 60 * 60);

/// One channel's notifications.
#[derive(Debug)]
pub struct Queue {
    channel: ChannelName,
    waiting: VecDeque<Waiting>,
    dead: VecDeque<DeadLetter>,
    /// The one that is being sent.
    in_flight: Option<u64>,
    sequence: u64,
    pace: Pace,
    /// Not handed out yet.
    writes: Vec<AlertWrite>,
}

#[derive(Debug)]
struct Waiting {
    notification: Arc<Notification>,
    tries: u32,
    /// When it came here, first or again.
    since: UnixMillis,
    /// Not before.
    due: UnixMillis,
}

/// A notification that is not tried any more, until somebody says so.
#[derive(Debug, Clone, PartialEq)]
pub struct DeadLetter {
    pub notification: Arc<Notification>,
    pub reason: String,
    pub at: UnixMillis,
}

impl Queue {
    pub fn new(channel: ChannelName) -> Self {
        let (waiting, dead, in_flight, sequence, pace, writes) = Default::default();
        Self { channel, waiting, dead, in_flight, sequence, pace, writes }
    }

    /// The sequences that a former process gave go up to this.
    pub fn continue_after(&mut self, sequence: u64) {
        self.sequence = self.sequence.max(sequence);
    }

    /// Takes in what a former process left; to be called in the order of their sequences.
    pub fn restore(&mut self, letter: Letter) {
        let Letter { channel: _, notification, since, dead } = letter;
        self.continue_after(notification.sequence);
        match dead {
            Some((reason, at)) => self.dead.push_back(DeadLetter { notification, reason, at }),
            None => self.waiting.push_back(Waiting { notification, tries: 0, since, due: since }),
        }
    }

    /// What changed since this was asked last, and has to be kept.
    pub fn take_writes(&mut self) -> Vec<AlertWrite> {
        std::mem::take(&mut self.writes)
    }

    /// At most so many are begun in any minute; `None` = as many as there are.
    pub fn limit(&mut self, per_minute: Option<u32>) {
        self.pace.limit(per_minute);
    }

    /// Takes a notification, and gives it its sequence. Returns what was given up for it.
    pub fn push(&mut self, notification: Notification, now: UnixMillis) -> Option<DeadLetter> {
        self.sequence += 1;
        let sequence = AlertRow::Sequence(self.channel.clone(), self.sequence);
        self.writes.push(AlertWrite::Put(sequence));
        let notification = Arc::new(Notification { sequence: self.sequence, ..notification });
        self.enqueue(notification, now);
        let oldest = self.waiting.iter().position(|w| Some(w.sequence()) != self.in_flight)?;
        let surplus = (self.waiting.len() > MAX_QUEUED).then(|| self.waiting.remove(oldest));
        let letter = surplus??.dead("too many wait for this channel".to_owned(), now);
        self.bury(letter.clone());
        Some(letter)
    }

    /// The next to be sent, if none is being sent: the oldest that is due, and none of whose group is older.
    pub fn begin(&mut self, now: UnixMillis) -> Option<Arc<Notification>> {
        if self.in_flight.is_some() || self.pace.free_at().is_some_and(|free| now < free) {
            return None;
        }
        let next = self.sendable().find(|waiting| waiting.due <= now)?;
        let notification = next.notification.clone();
        self.in_flight = Some(notification.sequence);
        self.pace.step(now);
        Some(notification)
    }

    /// When there is something to send; `None` while something is being sent, or there is nothing.
    pub fn due(&self) -> Option<UnixMillis> {
        if self.in_flight.is_some() {
            return None;
        }
        let due = self.sendable().map(|waiting| waiting.due).min()?;
        Some(self.pace.free_at().map_or(due, |free| free.max(due)))
    }

    /// What was being sent arrived. Returns it.
    pub fn arrived(&mut self) -> Option<Arc<Notification>> {
        let sequence = self.in_flight.take()?;
        let place = self.waiting.iter().position(|waiting| waiting.sequence() == sequence)?;
        self.forget_row(sequence);
        Some(self.waiting.remove(place)?.notification)
    }

    /// What was being sent did not arrive. `random` is between 0 and 1. Returns it if it is given up.
    pub fn failed(
        &mut self,
        failure: &SendFailure,
        random: f64,
        now: UnixMillis,
    ) -> Option<DeadLetter> {
        let sequence = self.in_flight.take()?;
        let place = self.waiting.iter().position(|waiting| waiting.sequence() == sequence)?;
        let waiting = &mut self.waiting[place];
        waiting.tries += 1;
        let age = now.since(waiting.since);
        if failure.retryable && age < RETRY_FOR {
            let pause = pause(waiting.tries, random).max(failure.retry_after.unwrap_or_default());
            waiting.due = UnixMillis(now.0.saturating_add(pause.as_millis() as u64));
            return None;
        }
        let reason = match failure.retryable {
            true => format!("given up after {} tries: {}", waiting.tries, failure.reason),
            false => failure.reason.clone(),
        };
        let letter = self.waiting.remove(place)?.dead(reason, now);
        self.bury(letter.clone());
        Some(letter)
    }

    /// Has a dead letter sent again, behind what waits. Whether there is such a one.
    pub fn resend(&mut self, sequence: u64, now: UnixMillis) -> bool {
        let place = self.dead.iter().position(|dead| dead.notification.sequence == sequence);
        let Some(dead) = place.and_then(|place| self.dead.remove(place)) else { return false };
        self.enqueue(dead.notification, now);
        true
    }

    /// Forgets a dead letter. Whether there was such a one.
    pub fn forget(&mut self, sequence: u64) -> bool {
        let place = self.dead.iter().position(|dead| dead.notification.sequence == sequence);
        if let Some(place) = place {
            self.dead.remove(place);
            self.forget_row(sequence);
        }
        place.is_some()
    }

    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    pub fn dead(&self) -> impl Iterator<Item = &DeadLetter> {
        self.dead.iter()
    }

    fn enqueue(&mut self, notification: Arc<Notification>, now: UnixMillis) {
        self.put_row(&notification, now, None);
        self.waiting.push_back(Waiting { notification, tries: 0, since: now, due: now });
    }

    fn bury(&mut self, letter: DeadLetter) {
        let DeadLetter { notification, reason, at } = &letter;
        self.put_row(notification, *at, Some((reason.clone(), *at)));
        self.dead.push_back(letter);
        if self.dead.len() > MAX_DEAD
            && let Some(oldest) = self.dead.pop_front()
        {
            self.forget_row(oldest.notification.sequence);
        }
    }

    fn put_row(
        &mut self,
        notification: &Arc<Notification>,
        since: UnixMillis,
        dead: Option<(String, UnixMillis)>,
    ) {
        let (channel, notification) = (self.channel.clone(), notification.clone());
        let letter = Letter { channel, notification, since, dead };
        self.writes.push(AlertWrite::Put(AlertRow::Letter(letter)));
    }

    fn forget_row(&mut self, sequence: u64) {
        let key = AlertKey::Letter(self.channel.clone(), sequence);
        self.writes.push(AlertWrite::Forget(key));
    }

    /// Those of which none of their group is older.
    fn sendable(&self) -> impl Iterator<Item = &Waiting> {
        let mut groups = std::collections::HashSet::new();
        self.waiting.iter().filter(move |w| groups.insert(w.notification.group_key.as_str()))
    }
}

impl Waiting {
    fn sequence(&self) -> u64 {
        self.notification.sequence
    }

    fn dead(self, reason: String, at: UnixMillis) -> DeadLetter {
        DeadLetter { notification: self.notification, reason, at }
    }
}

fn pause(tries: u32, random: f64) -> Duration {
    let ceiling = FIRST_PAUSE.saturating_mul(1 << (tries - 1).min(16)).min(LONGEST_PAUSE);
    ceiling.mul_f64(random.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
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
}
