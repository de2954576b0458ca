//! How many log lines a plugin gets through, and what of its words may be shown.

/// Longer lines are cut.
pub(super) const MAX_LINE_BYTES: usize = 1024;

/// A budget of lines for each second.
#[derive(Debug)]
pub(super) struct LogGate {
    lines_per_second: u32,
    second: u32,
    used: u32,
}

impl LogGate {
    pub(super) fn new(lines_per_second: u32) -> Self {
        Self { lines_per_second, second: 0, used: 0 }
    }

    /// Whether a line may pass now.
    pub(super) fn admit(&mut self, now_ms: u32) -> bool {
        let second = now_ms / 1000;
        if second != self.second {
            self.second = second;
            self.used = 0;
        }
        self.used = self.used.saturating_add(1);
        self.used <= self.lines_per_second
    }
}

/// A plugin's words as they may be logged or reported: cut at a character's edge, on one line, without
/// control characters.
pub(super) fn tame(message: &str) -> String {
    let mut end = message.len().min(MAX_LINE_BYTES);
    while !message.is_char_boundary(end) {
        end -= 1;
    }
    message[..end].chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_budget_is_renewed_each_second() {
        let mut gate = LogGate::new(2);
        let admitted = [10, 20, 30, 999, 1000].map(|now_ms| gate.admit(now_ms));
        assert_eq!(admitted, [true, true, false, false, true]);
    }

    #[test]
    fn a_line_cannot_forge_another() {
        assert_eq!(tame("a\nERROR b\u{1b}[31m"), "a ERROR b [31m");
        assert_eq!(tame(&"é".repeat(600)).len(), 1024);
    }
}
