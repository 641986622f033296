//! "Did you mean": the known name that looks most like an unknown one.

/// Names with more characters are not compared: that takes the square of their lengths.
const MAX_COMPARED: usize = 128;

/// The name nearest to `wanted`, when one is near enough to be meant.
pub fn nearest<T: AsRef<str>>(wanted: &str, names: impl Iterator<Item = T>) -> Option<String> {
    let is_short = |name: &str| name.chars().nth(MAX_COMPARED).is_none();
    if !is_short(wanted) {
        return None;
    }
    let short = names.filter(|name| is_short(name.as_ref()));
    let scored = short.map(|name| {
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
