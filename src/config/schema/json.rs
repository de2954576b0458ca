//! The JSON Schema of the file, from the same types that read it, so that editors complete it.

use schemars::generate::SchemaSettings;
use serde_json::Value;

use super::File;

/// The JSON Schema (draft 2020-12) of a configuration file.
pub fn json_schema() -> Value {
    let mut schema =
        SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<File>().to_value();
    plain(&mut schema);
    schema
}

/// TOML has no null (what is optional is left out) and one integer type: takes away what `Option`
/// and `u32` bring along.
fn plain(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(plain),
        Value::Object(object) => {
            if object
                .get("format")
                .is_some_and(|f| f.as_str().is_some_and(|f| f.starts_with("uint")))
            {
                object.remove("format");
            }
            if object.get("default").is_some_and(Value::is_null) {
                object.remove("default");
            }
            if let Some(Value::Array(types)) = object.get_mut("type") {
                types.retain(|name| name != "null");
                if types.len() == 1 {
                    let only = types.remove(0);
                    object.insert("type".to_owned(), only);
                }
            }
            if let Some(Value::Array(choices)) = object.get_mut("anyOf") {
                choices.retain(|choice| choice["type"] != "null");
                if let [Value::Object(only)] = choices.as_mut_slice() {
                    let only = std::mem::take(only);
                    object.remove("anyOf");
                    object.extend(only);
                }
            }
            object.values_mut().for_each(plain);
        }
        _ => {}
    }
}
