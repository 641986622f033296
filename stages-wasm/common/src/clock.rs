//! The time that goes into a tree.
use osbuild_stage::{Error, Meta, Result};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Time since 1970: the manifest's source epoch, which makes builds repeatable, or else now.
pub fn now(meta: &Meta) -> Duration {
    match meta.source_epoch.map(u64::try_from) {
        Some(Ok(seconds)) => Duration::from_secs(seconds),
        // A clock before 1970 is not set.
        _ => SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default(),
    }
}

/// The time in UTC, as strftime(3) writes it.
pub fn format(time: Duration, format: &str) -> Result<String> {
    let wrong = |error: jiff::Error| Error::new(format!("the time of the build: {error}"));
    let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    let time = jiff::Timestamp::from_second(seconds).map_err(wrong)?;
    Ok(time.strftime(format).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_source_epoch_is_the_time() {
        let meta = Meta {
            source_epoch: Some(86_400),
            ..Meta::default()
        };
        assert_eq!(now(&meta).as_secs(), 86_400);
        assert!(now(&Meta::default()).as_secs() > 1_700_000_000);
    }
}
