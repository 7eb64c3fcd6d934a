//! The template of the deployment, as the code that relies on it sees it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use saphyr::{LoadableYamlNode, Scalar, Yaml};
use serde_json::{Map, Number, Value, json};

/// The template, with the short forms of intrinsic functions written out.
#[derive(Debug)]
pub struct Template(Value);

impl Template {
    /// Reads `infra/template.yaml`.
    pub fn read() -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../infra/template.yaml");
        let text = fs::read_to_string(path).expect("the template is there");
        let documents = Yaml::load_from_str(&text).expect("the template is YAML");
        Self(json(&documents[0]))
    }

    /// A part of it, by its JSON pointer.
    pub fn part(&self, pointer: &str) -> &Value {
        self.0.pointer(pointer).unwrap_or(&Value::Null)
    }

    /// The properties of a resource.
    pub fn properties(&self, name: &str) -> &Value {
        self.part(&format!("/Resources/{name}/Properties"))
    }

    /// All resources by name, each as it stands in the template.
    pub fn resources(&self) -> BTreeMap<&str, &Value> {
        entries(self.part("/Resources"))
    }

    /// Names of the resources of a type.
    pub fn of_type(&self, kind: &str) -> Vec<&str> {
        let resources = self.resources().into_iter();
        resources.filter(|(_, it)| it["Type"] == kind).map(|(name, _)| name).collect()
    }

    /// Each function's name, by that of its resource.
    pub fn functions(&self) -> BTreeMap<&str, &str> {
        let functions = self.of_type("AWS::Serverless::Function").into_iter();
        let binary = |name| &self.resources()[name]["Metadata"]["BuildProperties"]["Binary"];
        functions.map(|name| (name, binary(name).as_str().expect("a binary"))).collect()
    }

    /// What a function finds in its environment.
    pub fn environment(&self, function: &str) -> BTreeMap<&str, &Value> {
        let shared = entries(self.part("/Globals/Function/Environment/Variables"));
        let own = entries(&self.properties(function)["Environment"]["Variables"]);
        shared.into_iter().chain(own).collect()
    }
}

/// The entries of an object; none of anything else.
pub fn entries(object: &Value) -> BTreeMap<&str, &Value> {
    object.as_object().into_iter().flatten().map(|(name, it)| (name.as_str(), it)).collect()
}

/// The elements of a list; of anything else itself, as `CloudFormation` takes either.
pub fn each(value: &Value) -> Vec<&Value> {
    value.as_array().map_or_else(|| vec![value], |list| list.iter().collect())
}

/// Every value inside of another one, itself included.
pub fn all(value: &Value) -> Vec<&Value> {
    let inner: Vec<&Value> = match value {
        Value::Array(list) => list.iter().collect(),
        Value::Object(map) => map.values().collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    };
    std::iter::once(value).chain(inner.into_iter().flat_map(all)).collect()
}

/// The name of the resource that `!Ref` or the first part of `!GetAtt` means.
pub fn referred(value: &Value) -> Option<&str> {
    let named = value["Ref"].as_str().or_else(|| value["Fn::GetAtt"].as_str())?;
    named.split('.').next()
}

fn json(yaml: &Yaml<'_>) -> Value {
    match yaml {
        Yaml::Value(scalar) => of_scalar(scalar),
        Yaml::Sequence(list) => list.iter().map(json).collect(),
        Yaml::Mapping(map) => Value::Object(map.iter().map(entry).collect::<Map<_, _>>()),
        Yaml::Tagged(tag, node) => {
            let name = match tag.suffix.as_ref() {
                name @ ("Ref" | "Condition") => name.to_owned(),
                name => format!("Fn::{name}"),
            };
            json!({ name: json(node) })
        }
        Yaml::Representation(..) | Yaml::Alias(_) | Yaml::BadValue => {
            panic!("not understood: {yaml:?}")
        }
    }
}

fn entry((key, value): (&Yaml<'_>, &Yaml<'_>)) -> (String, Value) {
    (key.as_str().expect("a key is text").to_owned(), json(value))
}

fn of_scalar(scalar: &Scalar<'_>) -> Value {
    match scalar {
        Scalar::Null => Value::Null,
        Scalar::Boolean(it) => Value::Bool(*it),
        Scalar::Integer(it) => Value::Number(Number::from(*it)),
        Scalar::FloatingPoint(it) => json!(it.into_inner()),
        Scalar::String(it) => Value::String(it.to_string()),
    }
}
