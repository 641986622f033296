//! "Did you mean": the known name that looks most like an unknown one.

/// The name nearest to `wanted`, when one is near enough to be meant.
pub fn nearest<T: AsRef<str>>(wanted: &str, names: impl Iterator<Item = T>) -> Option<String> {
    let scored = names.map(|name| {
        (
            strsim::normalized_damerau_levenshtein(wanted, name.as_ref()),
            name,
        )
    });
    // Of equally near ones the first by name, so that the answer does not depend on the order.
    let best = scored.max_by(|a, b| {
        a.0.total_cmp(&b.0)
            .then_with(|| b.1.as_ref().cmp(a.1.as_ref()))
    })?;
    (best.0 >= 0.6).then(|| best.1.as_ref().to_owned())
}
