//! What people are called here: names and e-mail addresses, parsed once at the border.

use std::fmt;

use icu_normalizer::ComposingNormalizerBorrowed;
use klatch_domain::UserId;
use klatch_eventlog::subject;
use serde::{Deserialize, Serialize};

/// Letters that could make a name look like an address or like markup. That names of different scripts look alike (the
/// Cyrillic "а" in "аda") is not prevented.
const FORBIDDEN: &[char] = &['@', '/', '\\', ':', '<', '>', '"', '&'];
/// The longest e-mail address, in bytes (RFC 5321, 4.5.3.1.3, without its brackets).
const EMAIL_BYTES_MAX: usize = 254;

/// A name as accounts are told apart by: names that differ in case alone are one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Folded(String);

impl Folded {
    /// The name of this account.
    pub(crate) fn of(user: &UserId) -> Folded {
        Folded(user.as_str().to_lowercase())
    }

    /// A name that no account has, for whoever asks by an address that none has: what is done for it is the same.
    pub(crate) fn of_nobody(email: &Email) -> Folded {
        Folded(format!("~{}", email.as_str()))
    }

    /// As a token of a key.
    pub(crate) fn token(&self) -> String {
        subject::escape(&self.0)
    }
}

/// The user id that an account of this name would have; else what is wrong with the name.
pub(crate) fn parse(username: &str) -> Result<UserId, String> {
    let id = UserId::parse(username).map_err(|why| format!("username {why}"))?;
    if id.is_reserved() {
        return Err("username begins with ~: such names are the server's".to_owned());
    }
    if username.starts_with(' ') || username.ends_with(' ') || username.contains("  ") {
        return Err("username has spaces at an end, or two in a row".to_owned());
    }
    // Else "José" would be two names, by how the accent is written.
    if !ComposingNormalizerBorrowed::new_nfc().is_normalized(username) {
        return Err("username is not in the composed form of Unicode (NFC)".to_owned());
    }
    match username.chars().find(|c| FORBIDDEN.contains(c) || is_invisible(*c)) {
        Some(letter) => Err(format!("username holds {letter:?}, which no name may")),
        None => Ok(id),
    }
}

/// Spaces but the plain one, and marks that show nothing or turn the direction of writing (Unicode, general category Cf
/// and what is used like it).
fn is_invisible(c: char) -> bool {
    (c.is_whitespace() && c != ' ')
        || matches!(u32::from(c), 0xAD | 0x34F | 0x61C | 0x115F..=0x1160 | 0x17B4..=0x17B5 | 0x180B..=0x180F)
        || matches!(u32::from(c), 0x200B..=0x200F | 0x202A..=0x202E | 0x2060..=0x206F | 0x3164 | 0xFE00..=0xFE0F)
        || matches!(u32::from(c), 0xFEFF | 0xFFA0 | 0xFFF0..=0xFFFF | 0x1D173..=0x1D17A | 0xE0000..=0xE0FFF)
}

/// An e-mail address, in small letters: addresses that differ in case alone are one.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Email(String);

impl Email {
    /// Reads an address; none where nothing could be sent to it, or where it names a machine by number: nobody's mail is
    /// there, and a mail server need not be told to look at addresses of its own network.
    pub(crate) fn parse(text: &str) -> Option<Email> {
        let text = text.trim().to_lowercase();
        let address = text.parse::<lettre::Address>().ok().filter(|address| !address.domain().starts_with('['));
        (text.len() <= EMAIL_BYTES_MAX && address.is_some()).then_some(Email(text))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// As a token of a key.
    pub(crate) fn token(&self) -> String {
        subject::escape(&self.0)
    }
}

impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<e-mail address>")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_that_people_can_read_and_tell_apart() {
        for fine in ["ada", "Ada Lovelace", "ada.l-1_x", "Ägnes", "Jos\u{e9}", "अनुष्का", "O'Neil", "a"]
        {
            assert_eq!(parse(fine).unwrap().as_str(), fine);
        }
        for bad in [
            "",
            "~ada",
            " ada",
            "ada ",
            "a  b",
            "a@b.c",
            "http://evil",
            "a\nb",
            "a\u{200b}b",
            "\u{202e}ada",
            "a\u{a0}b",
            "Jose\u{301}",
            "\u{212a}im",
        ] {
            assert!(parse(bad).is_err(), "{bad:?}");
        }
        assert!(parse(&"x".repeat(65)).is_err());
        assert_eq!(Folded::of(&parse("ADA").unwrap()), Folded::of(&parse("ada").unwrap()));
    }

    #[test]
    fn an_address_is_read_in_small_letters() {
        assert_eq!(Email::parse(" Ada@Example.COM ").unwrap().as_str(), "ada@example.com");
        for bad in
            ["", "ada", "ada@", "@example.com", "a b@example.com", "ada@example.com\r\nBcc: x@y.z", "a@[127.0.0.1]"]
        {
            assert!(Email::parse(bad).is_none(), "{bad:?}");
        }
        let long = format!("{}@example.com", "x".repeat(250));
        assert!(Email::parse(&long).is_none());
    }

    #[test]
    fn nobody_is_a_name_that_cannot_be_registered() {
        let nobody = Folded::of_nobody(&Email::parse("a@b.example").unwrap());
        assert!(parse(&nobody.0).is_err());
    }
}
