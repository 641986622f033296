//! Is a document a manifest? All that is wrong with it at once, with osbuild's paths and messages.

use crate::catalogue::{Catalogue, ModuleKind};
use crate::format::{Format, detect, earliest_to_v1};
use crate::json::{Object, Text, Value, python_repr_text};
use crate::model::Version;
use crate::problem::{PathElement, ValidationError, join, object, strip_pipeline, tidy};
use crate::schema::Schema;

/// Validates a document of any format; no errors means valid.
///
/// The errors are sorted by place, then by message, each once. A document of an unknown version has one error; callers that want osbuild's words for that
/// ask [`crate::format::detect`] first.
pub fn validate(document: &Value, catalogue: &Catalogue) -> Vec<ValidationError> {
    let mut check = Check {
        catalogue,
        errors: Vec::new(),
    };
    match detect(document) {
        Ok(Format::V2) => check.v2(document),
        Ok(Format::V1) => check.v1(document),
        Ok(Format::Earliest) => {
            check.v1(&earliest_to_v1(document));
            check.errors.iter_mut().for_each(strip_pipeline);
        }
        Err(unsupported) => check.errors.push(
            ValidationError::new(&["version".into()], unsupported.to_string()).with_hint(format!(
                "`version` is \"1\" or \"2\", not {}",
                unsupported.version
            )),
        ),
    }
    tidy(&mut check.errors);
    check.errors
}

/// Validates what a manifest says of one module: the object with `type` (or `name`) and `options`, of a source the one with `items`.
pub fn validate_module(
    catalogue: &Catalogue,
    kind: ModuleKind,
    name: &str,
    document: &Value,
    version: Version,
) -> Vec<ValidationError> {
    let mut check = Check {
        catalogue,
        errors: Vec::new(),
    };
    check.module(kind, name, document, version, &[]);
    tidy(&mut check.errors);
    check.errors
}

struct Check<'a> {
    catalogue: &'a Catalogue,
    errors: Vec<ValidationError>,
}

impl Check<'_> {
    fn document(&mut self, schema: Option<&Schema>, document: &Value, place: &[PathElement]) {
        match schema {
            Some(schema) => schema.check(document, place, &mut self.errors),
            None => self.errors.push(ValidationError::new(
                place,
                "the built-in schema of manifests is damaged",
            )),
        }
    }

    fn module(
        &mut self,
        kind: ModuleKind,
        name: &str,
        document: &Value,
        version: Version,
        place: &[PathElement],
    ) {
        let Some(module) = self.catalogue.get(kind, name) else {
            return self.unknown_module(kind, name, document, place);
        };
        match module.schema(version) {
            Ok(schema) => schema.check(document, place, &mut self.errors),
            Err(error) => self
                .errors
                .push(ValidationError::new(place, error.to_string())),
        }
    }

    fn unknown_module(
        &mut self,
        kind: ModuleKind,
        name: &str,
        document: &Value,
        place: &[PathElement],
    ) {
        let quoted = python_repr_text(&Text::from(name));
        let error = ValidationError::new(
            place,
            format!("could not find schema information for {quoted}"),
        );
        let error = match self.catalogue.nearest(kind, name) {
            Some(near) => error.with_hint(format!("did you mean `{near}`?")),
            None => error.with_hint(format!(
                "there is no {kind} of this name; is a plugin missing?"
            )),
        };
        let names_it = |key: &&str| document.get(key).and_then(Value::as_str) == Some(name);
        let member = ["type", "name"].into_iter().find(names_it);
        self.errors.push(ValidationError {
            members: member.map(str::to_owned).into_iter().collect(),
            expected: Some(format!("there is no such {kind}")),
            ..error
        });
    }

    /// A module that names itself in the member `key`; without that the schema of the document has complained.
    fn named_module(
        &mut self,
        kind: ModuleKind,
        key: &str,
        value: &Value,
        version: Version,
        place: &[PathElement],
    ) {
        if let Some(name) = value.get(key).and_then(Value::as_text) {
            self.module(kind, &name.to_string_lossy(), value, version, place);
        }
    }

    fn v2(&mut self, document: &Value) {
        self.document(self.catalogue.manifest_v2(), document, &[]);
        for (name, source) in members(document, "sources") {
            let place = ["sources".into(), name.to_string_lossy().into_owned().into()];
            self.module(
                ModuleKind::Source,
                &name.to_string_lossy(),
                source,
                Version::V2,
                &place,
            );
        }
        for (pipeline_index, pipeline) in elements(document, "pipelines").enumerate() {
            for (stage_index, stage) in elements(pipeline, "stages").enumerate() {
                self.stage_v2(
                    stage,
                    &[
                        "pipelines".into(),
                        pipeline_index.into(),
                        "stages".into(),
                        stage_index.into(),
                    ],
                );
            }
        }
    }

    fn stage_v2(&mut self, stage: &Value, place: &[PathElement]) {
        self.named_module(ModuleKind::Stage, "type", stage, Version::V2, place);
        for (key, kind) in [
            ("devices", ModuleKind::Device),
            ("inputs", ModuleKind::Input),
        ] {
            let place = join(place, key);
            for (name, part) in members(stage, key) {
                let place = join(&place, name.to_string_lossy().into_owned());
                self.named_module(kind, "type", part, Version::V2, &place);
            }
        }
        // Mounts are an array, but addressed by name; of two of the same name the last counts.
        let named = elements(stage, "mounts")
            .filter_map(|mount| Some((mount.get("name")?.as_text()?, mount)));
        let place = join(place, "mounts");
        for (name, mount) in named.collect::<indexmap::IndexMap<&Text, &Value>>() {
            let place = join(&place, name.to_string_lossy().into_owned());
            self.named_module(ModuleKind::Mount, "type", mount, Version::V2, &place);
        }
    }

    /// Each build pipeline is checked as a document of its own, in a loop: they may nest deeply.
    fn v1(&mut self, document: &Value) {
        for (name, source) in members(document, "sources") {
            let name = name.to_string_lossy();
            let name = if name == "org.osbuild.files" {
                "org.osbuild.curl"
            } else {
                &name
            };
            self.module(
                ModuleKind::Source,
                name,
                source,
                Version::V1,
                &["sources".into(), name.into()],
            );
        }
        self.document(
            self.catalogue.manifest_v1(),
            &replace(document, "pipeline", without_build_pipeline),
            &[],
        );
        let mut place = vec![PathElement::from("pipeline")];
        let mut current = document.get("pipeline");
        while let Some(pipeline) = current {
            self.pipeline_v1(pipeline, &place);
            current = pipeline
                .get("build")
                .and_then(|build| build.get("pipeline"));
            place.push("build".into());
            if let Some(inner) = current {
                let inner = object([("pipeline", without_build_pipeline(inner))]);
                self.document(self.catalogue.manifest_v1(), &inner, &place);
            }
            place.push("pipeline".into());
        }
    }

    fn pipeline_v1(&mut self, pipeline: &Value, place: &[PathElement]) {
        for (index, stage) in elements(pipeline, "stages").enumerate() {
            let place = join(&join(place, "stages"), index);
            self.named_module(ModuleKind::Stage, "name", stage, Version::V1, &place);
        }
        if let Some(assembler) = pipeline.get("assembler") {
            self.named_module(
                ModuleKind::Assembler,
                "name",
                assembler,
                Version::V1,
                &join(place, "assembler"),
            );
        }
    }
}

fn elements<'v>(value: &'v Value, key: &str) -> impl Iterator<Item = &'v Value> {
    value
        .get(key)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}

fn members<'v>(value: &'v Value, key: &str) -> impl Iterator<Item = (&'v Text, &'v Value)> {
    value
        .get(key)
        .and_then(Value::as_object)
        .into_iter()
        .flat_map(Object::iter)
}

/// A pipeline with an empty object in place of its build pipeline.
fn without_build_pipeline(pipeline: &Value) -> Value {
    let emptied = |inner: &Value| {
        if inner.as_object().is_some() {
            Value::object()
        } else {
            inner.clone()
        }
    };
    replace(pipeline, "build", |build| {
        replace(build, "pipeline", emptied)
    })
}

/// A copy of an object with one member changed; anything else is copied as it is.
fn replace(value: &Value, key: &str, change: impl Fn(&Value) -> Value) -> Value {
    let Some(members) = value.as_object() else {
        return value.clone();
    };
    let changed = members.iter().map(|(name, value)| {
        (
            name.clone(),
            if *name == *key {
                change(value)
            } else {
                value.clone()
            },
        )
    });
    Value::Object(changed.collect())
}
