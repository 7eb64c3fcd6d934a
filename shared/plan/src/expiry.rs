//! When credentials that come to their end are warned of (C9).

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::document::CredentialKind;

/// How near the end is. Later ones are greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Nearness {
    /// 60 days or less.
    SixtyDays,
    /// 30 days or less.
    ThirtyDays,
    /// A week or less.
    AWeek,
    /// A day or less.
    ADay,
    /// It is over.
    Over,
}

/// What is said of credentials that come to their end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ExpiryWarning {
    /// How near the end is.
    pub level: Nearness,
    /// What ends when, and what to do.
    pub sentence: String,
}

/// Each nearness with the days that are left at the most, the nearest first.
const DAYS: [(Nearness, i64); 5] = [
    (Nearness::Over, 0),
    (Nearness::ADay, 1),
    (Nearness::AWeek, 7),
    (Nearness::ThirtyDays, 30),
    (Nearness::SixtyDays, 60),
];

/// How near the end is, from 60 days before on.
pub fn nearness(expires: Timestamp, now: Timestamp) -> Option<Nearness> {
    let left = expires.duration_since(now);
    let within = |days: i64| left <= SignedDuration::from_hours(24 * days);
    DAYS.into_iter().find(|(_, days)| within(*days)).map(|(nearness, _)| nearness)
}

/// The nearness that the timer has to tell of: each one once, and none that a nearer one overtook.
/// `told` is the last that it told of for these credentials.
pub fn to_tell(expires: Timestamp, told: Option<Nearness>, now: Timestamp) -> Option<Nearness> {
    nearness(expires, now).filter(|nearness| told.is_none_or(|told| told < *nearness))
}

/// The warning for people; `None` while there is time.
pub fn warning(kind: CredentialKind, expires: Timestamp, now: Timestamp) -> Option<ExpiryWarning> {
    let level = nearness(expires, now)?;
    let (what, remedy) = match kind {
        CredentialKind::Secret => (
            "client secret",
            "Make a new one in the app registration and enter it; the old one works until then.",
        ),
        CredentialKind::Certificate => (
            "certificate",
            "Upload a new one in the app registration beside the old one, and enter it with its key.",
        ),
    };
    let day = expires.strftime("%Y-%m-%d");
    let days = expires.duration_since(now).as_hours() / 24;
    let when = match (level, days) {
        (Nearness::Over, _) => format!("The {what} expired on {day}."),
        (_, 0) => format!("The {what} expires within a day ({day})."),
        (_, 1) => format!("The {what} expires in 1 day ({day})."),
        (_, days) => format!("The {what} expires in {days} days ({day})."),
    };
    Some(ExpiryWarning { level, sentence: format!("{when} {remedy}") })
}

#[cfg(test)]
mod tests {
    use super::Nearness::{ADay, AWeek, Over, SixtyDays, ThirtyDays};
    use super::*;

    const HOUR: i64 = 3600;
    const DAY: i64 = 24 * HOUR;
    const END: i64 = 1_800_000_000;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(END + seconds).unwrap_or_default()
    }

    #[test]
    fn each_threshold_is_told_once_and_in_its_words() {
        // C9: time before the end, what the timer told before, what it tells now, how it begins.
        let cases = [
            (61 * DAY, None, None, None),
            (60 * DAY + 1, None, None, None),
            (60 * DAY, None, Some(SixtyDays), Some("The client secret expires in 60 days")),
            (59 * DAY, Some(SixtyDays), None, Some("The client secret expires in 59 days")),
            (
                30 * DAY,
                Some(SixtyDays),
                Some(ThirtyDays),
                Some("The client secret expires in 30 days"),
            ),
            (7 * DAY, Some(ThirtyDays), Some(AWeek), Some("The client secret expires in 7 days")),
            (6 * DAY, None, Some(AWeek), Some("The client secret expires in 6 days")),
            (2 * DAY - HOUR, Some(AWeek), None, Some("The client secret expires in 1 day ")),
            (DAY, Some(AWeek), Some(ADay), Some("The client secret expires in 1 day ")),
            (HOUR, Some(ADay), None, Some("The client secret expires within a day")),
            (0, Some(ADay), Some(Over), Some("The client secret expired on 2027-01-15.")),
            (-DAY, Some(Over), None, Some("The client secret expired on")),
        ];
        for (before, told, expected, begins) in cases {
            let now = at(-before);
            assert_eq!(to_tell(at(0), told, now), expected, "{before} s before, told {told:?}");
            let sentence = warning(CredentialKind::Secret, at(0), now).map(|it| it.sentence);
            let right = match (&sentence, begins) {
                (Some(sentence), Some(begins)) => sentence.starts_with(begins),
                (None, None) => true,
                (Some(_), None) | (None, Some(_)) => false,
            };
            assert!(right, "{before} s before: {sentence:?}");
        }
    }

    #[test]
    fn a_certificate_has_another_remedy() {
        // C9
        let warning = warning(CredentialKind::Certificate, at(0), at(-DAY));
        let sentence = warning.map(|it| it.sentence).unwrap_or_default();
        assert!(sentence.starts_with("The certificate expires in 1 day"), "{sentence}");
        assert!(sentence.contains("beside the old one"), "{sentence}");
    }
}
