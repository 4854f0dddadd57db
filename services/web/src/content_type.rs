//! The media type of a file by its name's ending: those that the page consists of, nothing guessed from content.

/// The value for `Content-Type`. An ending that is not known is bytes, which no browser runs.
pub(crate) fn of(name: &str) -> &'static str {
    let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
    match ending {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" | "map" => "application/json",
        "webmanifest" => "application/manifest+json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::of;

    #[test]
    fn what_browsers_are_strict_about_has_its_type() {
        assert_eq!(of("assets/index-B1x2.js"), "text/javascript; charset=utf-8");
        assert_eq!(of("assets/index-B1x2.css"), "text/css; charset=utf-8");
        assert_eq!(of("favicon.svg"), "image/svg+xml");
    }

    #[test]
    fn the_unknown_is_bytes() {
        assert_eq!(of("LICENSE"), "application/octet-stream");
        assert_eq!(of("page.exe"), "application/octet-stream");
    }
}
