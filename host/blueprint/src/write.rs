//! From a blueprint to a text.

use crate::model::{Blueprint, Size};
use serde_json::Value;

impl Blueprint {
    /// The blueprint as a JSON value. What is not set is absent; the lists of packages are there in any case.
    pub fn to_value(&self) -> Value {
        // Structs of texts, numbers and lists can always be written.
        let mut value = serde_json::to_value(self).unwrap_or_default();
        without_null(&mut value);
        value
    }

    /// The blueprint as indented JSON with a newline at its end.
    pub fn to_json(&self) -> String {
        format!("{:#}\n", self.to_value())
    }

    /// The blueprint as TOML: keys in the order of the model, no indentation, arrays of tables as `[[…]]`.
    pub fn to_toml(&self) -> String {
        let mut blueprint = self.clone();
        // TOML has no size of 0, which JSON may have; as the least size it means the same as 1.
        for filesystem in &mut blueprint.customizations.filesystem {
            filesystem.minsize = filesystem.minsize.max(Size(1));
        }
        toml::to_string(&blueprint).unwrap_or_default()
    }
}

fn without_null(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(without_null),
        Value::Object(members) => {
            members.retain(|_, member| !member.is_null());
            members.values_mut().for_each(without_null);
        }
        _ => {}
    }
}
