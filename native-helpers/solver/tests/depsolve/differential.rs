//! The same packages as dnf, or no solution as with dnf.
use crate::generate::case;
use crate::run::{answer, nevras, url};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// How many repositories are generated.
const CASES: u64 = 600;

/// The interpreter that has dnf's library; none in a place without it.
fn python() -> Option<Command> {
    let mut command = Command::new("/usr/bin/python3");
    let found = command
        .args(["-c", "import dnf"])
        .stderr(Stdio::null())
        .status();
    let found = found.is_ok_and(|status| status.success());
    assert!(
        found || std::env::var_os("CI").is_none(),
        "Debian's python3-dnf is missing"
    );
    found.then(|| Command::new("/usr/bin/python3"))
}

fn oracle(requests: &[Value]) -> Option<Vec<Value>> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/depsolve/oracle.py");
    let mut child = python()?
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let requests = Value::from(requests.to_vec()).to_string();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(requests.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

fn request(number: u64, directory: &Path) -> Value {
    let case = case(number);
    let directory = directory.join(number.to_string());
    let mut repos = case.repos;
    for ((id, repository), repo) in case.repositories.iter().zip(&mut repos) {
        let path = directory.join(id);
        repository.write(&path);
        repo["baseurl"] = json!([url(&path)]);
    }
    json!({
        "api_version": 2, "command": "depsolve", "arch": "x86_64", "releasever": "1", "module_platform_id": "platform:p1",
        "cachedir": directory.join("cache"),
        "arguments": {"repos": repos, "optional-metadata": ["filelists"], "transactions": case.transactions},
    })
}

/// Sets of packages after each transaction, or the kind of failure.
fn ours(request: &Value) -> Result<Vec<Vec<String>>, String> {
    let reply = answer(request).map_err(|failure| {
        format!(
            "{}: {}",
            failure["kind"].as_str().unwrap(),
            failure["reason"]
        )
    })?;
    let mut all = BTreeSet::new();
    let transactions = reply["transactions"].as_array().unwrap().iter();
    Ok(transactions
        .map(|transaction| {
            all.extend(nevras(transaction));
            all.iter().cloned().collect()
        })
        .collect())
}

fn theirs(answer: &Value) -> Result<Vec<Vec<String>>, String> {
    match answer.get("failure") {
        Some(kind) => Err(format!("{}: {}", kind.as_str().unwrap(), answer["reason"])),
        None => Ok(serde_json::from_value(answer["transactions"].clone()).unwrap()),
    }
}

#[test]
fn the_same_packages_are_chosen_as_by_dnf_or_none_where_it_has_no_solution() {
    let mut directory = tempfile::tempdir().unwrap();
    // Some cases, whose files stay, for whoever looks into differences.
    let numbers: Vec<u64> = match std::env::var("OSBUILD_WASM_CASE") {
        Ok(numbers) => {
            directory.disable_cleanup(true);
            numbers
                .split(',')
                .map(|number| number.parse().unwrap())
                .collect()
        }
        Err(_) => (0..CASES).collect(),
    };
    let requests: Vec<_> = numbers
        .iter()
        .map(|number| request(*number, directory.path()))
        .collect();
    let Some(answers) = oracle(&requests) else {
        return;
    };
    let (mut differences, mut solved) = (Vec::new(), 0);
    for ((number, request), answer) in numbers.iter().zip(&requests).zip(&answers) {
        let (ours, theirs) = (ours(request), theirs(answer));
        solved += usize::from(theirs.is_ok());
        if ours.as_ref().ok() != theirs.as_ref().ok() {
            let words = &request["arguments"];
            differences.push(format!(
                "{number}: {words}\n  ours   {ours:?}\n  theirs {theirs:?}"
            ));
        }
    }
    assert!(
        differences.is_empty(),
        "{} of {} differ:\n{}",
        differences.len(),
        numbers.len(),
        differences.join("\n")
    );
    // Cases that cannot be solved at all would show little.
    assert!(
        numbers.len() < CASES as usize || solved * 3 > numbers.len(),
        "only {solved} of {} have a solution",
        numbers.len()
    );
}
