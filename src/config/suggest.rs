//! The name that was probably meant.

/// Bytes of a name worth comparing: comparing costs the product of the lengths.
const MAX_COMPARED_BYTES: usize = 128;

/// The candidate closest to what was written, if one is close enough to be worth naming.
pub fn nearest<'a>(found: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if found.len() > MAX_COMPARED_BYTES {
        return None;
    }
    let closest = candidates
        .into_iter()
        .map(|candidate| (distance(found, candidate), candidate))
        .min_by_key(|&(distance, _)| distance)?;
    // A third of the letters may be wrong: `strat` does not become `start`.
    let (distance, candidate) = closest;
    (distance * 3 <= candidate.chars().count().max(3)).then_some(candidate)
}

fn distance(found: &str, candidate: &str) -> usize {
    let plain = |text: &str| text.to_ascii_lowercase().replace('-', "_");
    strsim::damerau_levenshtein(&plain(found), &plain(candidate))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_its_name_and_a_stranger_finds_none() {
        let names = ["weight", "address", "round-robin"];
        assert_eq!(nearest("wieght", names), Some("weight"));
        assert_eq!(nearest("Round_Robin", names), Some("round-robin"));
        assert_eq!(nearest("colour", names), None);
        assert_eq!(nearest("x", []), None);
    }
}
