//! Paths into the configuration's tree, such as `services.web.endpoints[1].weight`.

use std::fmt;

/// One step down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Into a table.
    Key(String),
    /// Into an array: the position among the entries that are still there.
    Index(usize),
}

/// The way from the file's root to a value; the root itself when empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyPath(pub Vec<Step>);

impl KeyPath {
    /// A key of the root.
    pub fn root(key: &str) -> Self {
        Self::default().key(key)
    }

    /// One key further down.
    pub fn key(&self, key: &str) -> Self {
        self.step(Step::Key(key.to_owned()))
    }

    /// One array entry further down.
    pub fn index(&self, index: usize) -> Self {
        self.step(Step::Index(index))
    }

    /// One step back up; the root's is the root.
    pub fn parent(&self) -> Self {
        Self(self.0.split_last().map(|(_, steps)| steps.to_vec()).unwrap_or_default())
    }

    fn step(&self, step: Step) -> Self {
        let mut steps = self.0.clone();
        steps.push(step);
        Self(steps)
    }
}

impl fmt::Display for KeyPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, step) in self.0.iter().enumerate() {
            match step {
                Step::Index(index) => write!(f, "[{index}]")?,
                Step::Key(key) => {
                    if i > 0 {
                        f.write_str(".")?;
                    }
                    let bare = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
                    match !key.is_empty() && key.chars().all(bare) {
                        true => f.write_str(key)?,
                        false => write!(f, "{key:?}")?,
                    }
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_reads_as_it_would_be_written_in_the_file() {
        let path = KeyPath::root("services").key("a.b").key("endpoints").index(1).key("weight");
        assert_eq!(path.to_string(), r#"services."a.b".endpoints[1].weight"#);
    }
}
