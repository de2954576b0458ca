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

#[cfg(test)]
mod tests;

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
