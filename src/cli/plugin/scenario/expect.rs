//! Whether a step's picks are what the file expects.

use std::collections::{BTreeMap, HashMap};

use super::format::{Amount, Expect, Step};

/// What was picked in a step.
#[derive(Debug, Default)]
pub struct Picks {
    /// Endpoints by index of the set, in order; none where there was no answer.
    pub answers: Vec<Option<u32>>,
    /// The endpoints' ids, by index.
    pub ids: Vec<String>,
    /// Where each client was sent, by its number, each time.
    pub by_client: Vec<(u32, Option<u32>)>,
    /// Tries of one request are neighbours in `answers`, so many of them.
    pub tries: u32,
    /// The most requests in flight at once, by index; empty where nothing was simulated.
    pub peaks: Vec<u32>,
}

/// Where each client's first request of a step went.
pub type Homes = HashMap<u32, Option<String>>;

/// Something that is not as expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    pub expected: String,
    pub came: String,
}

/// How much of a sequence is shown around the place where it goes wrong.
const SHOWN: usize = 12;

impl Picks {
    /// How often each endpoint was picked, by id.
    pub fn counts(&self) -> BTreeMap<&str, u64> {
        let mut counts: BTreeMap<&str, u64> = self.ids.iter().map(|id| (id.as_str(), 0)).collect();
        for index in self.answers.iter().flatten() {
            *counts.entry(self.name(Some(*index))).or_default() += 1;
        }
        counts
    }

    /// Where each client is at home now.
    pub fn homes(&self) -> Homes {
        let mut homes = Homes::new();
        for &(client, answer) in &self.by_client {
            homes.entry(client).or_insert_with(|| answer.map(|i| self.name(Some(i)).to_owned()));
        }
        homes
    }

    fn name(&self, answer: Option<u32>) -> &str {
        answer.map_or("none", |index| {
            self.ids.get(index as usize).map_or("out of range", String::as_str)
        })
    }

    fn share(&self, count: u64) -> f64 {
        count as f64 / self.answers.len().max(1) as f64
    }
}

/// Everything that is not as a step expects it. `before` is where clients were earlier.
pub fn judge(step: &Step, picks: &Picks, before: Option<&Homes>) -> Vec<Mismatch> {
    let mut wrong = Vec::new();
    match &step.expect {
        None => {}
        Some(Expect::Word(_)) => wrong.extend(never_an_answer(picks)),
        Some(Expect::Sequence(expected)) => wrong.extend(in_order(expected, picks)),
        Some(Expect::Amounts(amounts)) => {
            wrong.extend(amounts_fit(amounts, step.within.unwrap_or(0.0), picks));
        }
    }
    if step.sticky {
        wrong.extend(sticks(picks));
    }
    if step.distinct {
        wrong.extend(tries_differ(picks));
    }
    if let (Some(most), Some(before)) = (step.moved_at_most, before) {
        wrong.extend(few_moved(most, picks, before));
    }
    if let Some(most) = step.max_share {
        let over = |(id, count): (&str, u64)| {
            (picks.share(count) > most).then(|| Mismatch {
                expected: format!("no share above {most}"),
                came: format!("{id} = {:.4}", picks.share(count)),
            })
        };
        wrong.extend(picks.counts().into_iter().filter_map(over));
    }
    if let Some(most) = step.max_active {
        let over = |(id, &peak): (&String, &u32)| {
            (peak > most).then(|| Mismatch {
                expected: format!("never more than {most} in flight"),
                came: format!("{id} had {peak}"),
            })
        };
        wrong.extend(picks.ids.iter().zip(&picks.peaks).filter_map(over));
    }
    wrong
}

fn never_an_answer(picks: &Picks) -> Option<Mismatch> {
    let answered = picks.answers.iter().position(Option::is_some)?;
    Some(Mismatch {
        expected: "never an answer".into(),
        came: format!("{} at pick {}", picks.name(picks.answers[answered]), answered + 1),
    })
}

fn in_order(expected: &[String], picks: &Picks) -> Option<Mismatch> {
    let came: Vec<&str> = picks.answers.iter().map(|&answer| picks.name(answer)).collect();
    let differs = |at: &usize| expected.get(*at).map(String::as_str) != came.get(*at).copied();
    let at = (0..expected.len().max(came.len())).find(differs)?;
    let shown = |list: &[&str]| {
        let from = at.saturating_sub(SHOWN / 2).min(list.len());
        let to = (from + SHOWN).min(list.len());
        let (before, after) =
            (if from > 0 { "… " } else { "" }, if to < list.len() { " …" } else { "" });
        format!("{before}{}{after}", list[from..to].join(" "))
    };
    let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
    Some(Mismatch {
        expected: format!("{} ({} picks)", shown(&expected), expected.len()),
        came: format!("{} ({} picks; pick {} differs)", shown(&came), came.len(), at + 1),
    })
}

fn amounts_fit(amounts: &BTreeMap<String, Amount>, within: f64, picks: &Picks) -> Vec<Mismatch> {
    let counts = picks.counts();
    let fits = |(id, amount): (&String, &Amount)| {
        let count = counts.get(id.as_str()).copied().unwrap_or(0);
        match *amount {
            Amount::Count(expected) if expected != count => Some(Mismatch {
                expected: format!("{id} = {expected}"),
                came: format!("{id} = {count} of {}", picks.answers.len()),
            }),
            // A share is compared with some room for its own rounding.
            Amount::Share(share) if (picks.share(count) - share).abs() > within + 1e-9 => {
                Some(Mismatch {
                    expected: format!("{id} = {share} within {within}"),
                    came: format!("{id} = {:.4}", picks.share(count)),
                })
            }
            Amount::Count(_) | Amount::Share(_) => None,
        }
    };
    amounts.iter().filter_map(fits).collect()
}

fn sticks(picks: &Picks) -> Option<Mismatch> {
    let homes = picks.homes();
    let (client, answer) = picks.by_client.iter().find(|(client, answer)| {
        homes[client].as_deref() != answer.map(|index| picks.name(Some(index)))
    })?;
    Some(Mismatch {
        expected: format!(
            "client {client} always at {}",
            homes[client].as_deref().unwrap_or("none")
        ),
        came: format!("{} once", picks.name(*answer)),
    })
}

fn tries_differ(picks: &Picks) -> Option<Mismatch> {
    let requests = picks.answers.chunks(picks.tries.max(1) as usize);
    let repeats = |tries: &[Option<u32>]| {
        (1..tries.len()).any(|at| tries[at].is_some() && tries[..at].contains(&tries[at]))
    };
    let (at, tries) = requests.enumerate().find(|(_, tries)| repeats(tries))?;
    let names: Vec<_> = tries.iter().map(|&answer| picks.name(answer)).collect();
    Some(Mismatch {
        expected: "each try of a request elsewhere".into(),
        came: format!("{} for request {}", names.join(" "), at + 1),
    })
}

fn few_moved(most: f64, picks: &Picks, before: &Homes) -> Option<Mismatch> {
    let now = picks.homes();
    let both = now.iter().filter_map(|(client, home)| Some((home, before.get(client)?)));
    let (mut clients, mut moved) = (0_u32, 0_u32);
    for (home, former) in both {
        clients += 1;
        moved += u32::from(home != former);
    }
    let share = f64::from(moved) / f64::from(clients.max(1));
    (share > most).then(|| Mismatch {
        expected: format!("at most {most} of the clients moved"),
        came: format!("{share:.4} ({moved} of {clients})"),
    })
}

#[cfg(test)]
mod tests {
    use super::super::format::Scenario;
    use super::*;

    /// Judges picks of `a` (0), `b` (1) and `-` (none) by a step's expectations.
    fn check(answers: &str, step: &str, expected: &[(&str, &str)]) {
        let text = format!("endpoints = []\n[[step]]\n{step}\n");
        let scenario = Scenario::read(&text).unwrap();
        let answers: Vec<_> =
            answers.chars().map(|c| (c != '-').then(|| c as u32 - 'a' as u32)).collect();
        let picks = Picks {
            by_client: answers.iter().enumerate().map(|(i, &a)| (i as u32 % 2, a)).collect(),
            answers,
            ids: vec!["a".into(), "b".into()],
            tries: 2,
            peaks: vec![3, 1],
        };
        let before = Homes::from([(0, Some("a".into())), (1, Some("a".into()))]);
        let wrong = judge(scenario.steps[0].as_ref(), &picks, Some(&before));
        let wrong: Vec<_> =
            wrong.iter().map(|wrong| (wrong.expected.as_str(), wrong.came.as_str())).collect();
        assert_eq!(wrong, expected);
    }

    #[test]
    fn sequences() {
        check("ab-", "expect = ['a', 'b', 'none']", &[]);
        check("ab", "expect = ['a', 'a']", &[("a a (2 picks)", "a b (2 picks; pick 2 differs)")]);
        check("a", "expect = ['a', 'a']", &[("a a (2 picks)", "a (1 picks; pick 2 differs)")]);
        check("--", "expect = 'none'", &[]);
        check("-b", "expect = 'none'", &[("never an answer", "b at pick 2")]);
    }

    #[test]
    fn amounts() {
        check("aaab", "expect = { a = 3, b = 0.25 }", &[]);
        check("aaab", "expect = { a = 0.7 }\nwithin = 0.05", &[]);
        check("aaab", "expect = { a = 0.7 }", &[("a = 0.7 within 0", "a = 0.7500")]);
        check("aaab", "expect = { b = 2 }", &[("b = 2", "b = 1 of 4")]);
        check("aaab", "max_share = 0.7", &[("no share above 0.7", "a = 0.7500")]);
        check("aaab", "max_active = 2", &[("never more than 2 in flight", "a had 3")]);
    }

    #[test]
    fn clients() {
        check("abab", "sticky = true", &[]);
        check("abbb", "sticky = true", &[("client 0 always at a", "b once")]);
        check("abab", "distinct = true", &[]);
        check(
            "aabb",
            "distinct = true",
            &[("each try of a request elsewhere", "a a for request 1")],
        );
        check("abab", "moved_at_most = 0.5", &[]);
        check(
            "abab",
            "moved_at_most = 0.4",
            &[("at most 0.4 of the clients moved", "0.5000 (1 of 2)")],
        );
    }
}
