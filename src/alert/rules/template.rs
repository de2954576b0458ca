//! What an annotation says: a text with `{{ service }}`, `{{ value }}` and the like, in the language of Jinja.
//!
//! Compiled, and looked through for names that nobody knows, when the configuration is read. Rendering is
//! bounded in steps and in length, and a text that fails says so instead: an alert is never held back by it.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use minijinja::value::Value;
use minijinja::{Environment, UndefinedBehavior};

use super::human::{self, Unit};
use crate::model::Labels;

/// Steps of one rendering.
const MAX_STEPS: u64 = 100_000;
/// Bytes of a rendered text.
const MAX_BYTES: usize = 4096;
/// The only template of its environment.
const NAME: &str = "annotation";

/// Names that every template may use, beside the alert's labels.
pub const NAMES: [&str; 8] =
    ["value", "threshold", "number", "limit", "labels", "rule", "expression", "window"];

/// A compiled text.
#[derive(Clone)]
pub struct Template {
    source: Arc<str>,
    environment: Arc<Environment<'static>>,
}

/// Why a text is no template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    #[error("is no template: {0}")]
    Syntax(String),
    /// It names what no alert of the rule has.
    #[error("names `{name}`, which no alert of this rule has")]
    Unknown { name: String },
}

/// What a template may speak of.
pub struct Facts<'a> {
    pub labels: &'a Labels,
    pub rule: &'a str,
    pub expression: &'a str,
    pub value: f64,
    pub threshold: f64,
    pub unit: Unit,
    pub window: std::time::Duration,
}

impl Template {
    /// Compiles a text that may use `names`, and those of [`NAMES`].
    pub fn new(source: &str, names: &BTreeSet<&str>) -> Result<Self, TemplateError> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Chainable);
        environment.set_fuel(Some(MAX_STEPS));
        environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
        environment.add_filter("percent", |value: f64| human::human(value, Unit::Share));
        environment.add_filter("duration", |value: f64| human::human(value, Unit::Seconds));
        environment.add_filter("bytes", |value: f64| human::human(value, Unit::Bytes));
        environment.add_filter("short", |value: f64| human::human(value, Unit::Plain));
        let syntax = |error: minijinja::Error| TemplateError::Syntax(reason(&error));
        environment.add_template_owned(NAME, source.to_owned()).map_err(syntax)?;
        let template = environment.get_template(NAME).map_err(syntax)?;
        let mut used: Vec<String> = template.undeclared_variables(false).into_iter().collect();
        used.sort_unstable();
        let functions: BTreeSet<&str> = environment.globals().map(|(name, _)| name).collect();
        let is_known =
            |name: &str| NAMES.contains(&name) || names.contains(name) || functions.contains(name);
        if let Some(name) = used.into_iter().find(|name| !is_known(name)) {
            return Err(TemplateError::Unknown { name });
        }
        let template = Self { source: source.into(), environment: Arc::new(environment) };
        let example = names.iter().map(|name| ((*name).to_owned(), (*name).to_owned())).collect();
        template.try_render(&Facts::example(&example)).map_err(syntax)?;
        Ok(template)
    }

    /// The text as it was written.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The text of one alert.
    pub fn render(&self, facts: &Facts<'_>) -> String {
        let mut text = match self.try_render(facts) {
            Ok(text) => text,
            Err(error) => format!("(annotation failed: {})", reason(&error)),
        };
        if text.len() > MAX_BYTES {
            text.truncate((0..=MAX_BYTES).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0));
        }
        text
    }

    fn try_render(&self, facts: &Facts<'_>) -> Result<String, minijinja::Error> {
        let Facts { labels, rule, expression, value, threshold, unit, window } = facts;
        let text = |text: &str| Value::from(text);
        let own: [(&str, Value); 8] = [
            ("value", text(&human::human(*value, *unit))),
            ("threshold", text(&human::human(*threshold, *unit))),
            ("number", Value::from(*value)),
            ("limit", Value::from(*threshold)),
            ("labels", Value::from_pairs(labels.iter().map(|(n, v)| (n.as_str(), text(v))))),
            ("rule", text(rule)),
            ("expression", text(expression)),
            ("window", text(&human::duration(*window))),
        ];
        let labels = labels.iter().map(|(name, value)| (name.as_str(), text(value)));
        // The template's own names win over a label of the same name; that one is in `labels` still.
        let context = Value::from_pairs(labels.chain(own));
        self.environment.get_template(NAME)?.render(context)
    }
}

impl<'a> Facts<'a> {
    fn example(labels: &'a Labels) -> Self {
        let (value, threshold, unit) = (0.5, 0.25, Unit::Plain);
        let window = std::time::Duration::from_secs(300);
        Self { labels, rule: "rule", expression: "metric", value, threshold, unit, window }
    }
}

/// The first line: those after show the template.
fn reason(error: &minijinja::Error) -> String {
    let text = error.detail().map_or_else(|| error.kind().to_string(), ToOwned::to_owned);
    text.lines().next().unwrap_or_default().to_owned()
}

impl PartialEq for Template {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.source, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(source: &str) -> String {
        let names = BTreeSet::from(["service"]);
        let template = Template::new(source, &names).unwrap_or_else(|error| panic!("{error}"));
        let labels = Labels::from([("service".to_owned(), "web".to_owned())]);
        template.render(&Facts {
            labels: &labels,
            rule: "error-rate",
            expression: "x",
            value: 0.0725,
            threshold: 0.05,
            unit: Unit::Share,
            window: std::time::Duration::from_secs(300),
        })
    }

    #[test]
    fn a_text_speaks_of_its_alert() {
        let cases = [
            ("{{ service }}: {{ value }} > {{ threshold }}", "web: 7.25% > 5%"),
            ("{{ labels.service }} in {{ window }}", "web in 5m"),
            ("{{ number * 100 }} {{ limit|percent }}", "7.249999999999999 5%"),
            ("{% if number > 1 %}bad{% else %}so so{% endif %}", "so so"),
            ("<{{ rule }}> & \"{{ expression }}\"", "<error-rate> & \"x\""),
            ("{{ labels.nobody }}.", "."),
        ];
        for (source, expected) in cases {
            assert_eq!(rendered(source), expected);
        }
    }

    #[test]
    fn mistakes_are_found_before_anything_fires() {
        let refused = |source| Template::new(source, &BTreeSet::from(["service"])).unwrap_err();
        assert!(matches!(refused("{{ service"), TemplateError::Syntax(_)));
        assert!(matches!(refused("{{ value|nothing }}"), TemplateError::Syntax(_)));
        let unknown = TemplateError::Unknown { name: "servcie".to_owned() };
        assert_eq!(refused("{% if number > 9 %}{{ servcie }}{% endif %}"), unknown);
    }

    #[test]
    fn a_text_without_end_is_bounded() {
        let endless =
            "{% for i in range(10000) %}{% for j in range(10000) %}x{% endfor %}{% endfor %}";
        assert!(matches!(Template::new(endless, &BTreeSet::new()), Err(TemplateError::Syntax(_))));
        assert_eq!(rendered("{% for i in range(9000) %}x{% endfor %}").len(), MAX_BYTES);
    }
}
