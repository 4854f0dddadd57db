//! The page, embedded: what the edge serves at `/`.
//!
//! [`asset`] is the whole of it. It finds a file of the built page (`dist`, made by `npm run build`) by the path of
//! the request; where the crate was compiled without a built page it finds a fallback that says how to get one. No
//! file is read at run time, in debug builds neither.

mod content_type;

use std::borrow::Cow;
use std::fmt::Write as _;

use rust_embed::{EmbeddedFile, RustEmbed};

/// The policy that the page is written for: everything from its own origin, no inline script or style, sockets to
/// anywhere a deployment puts its edges, no frames around it, no forms sent away.
///
/// To be sent as `Content-Security-Policy` (CSP Level 3) with every asset.
pub const CONTENT_SECURITY_POLICY: &str = "default-src 'self'; connect-src 'self' ws: wss:; img-src 'self' data:; \
     style-src 'self'; script-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'none'";

/// The page's start.
const INDEX: &str = "index.html";

/// Vite puts a hash of the content into the name of everything in this folder, so such a name never gets another
/// content: <https://vite.dev/config/build-options#build-assetsdir>.
const HASHED: &str = "assets/";

#[derive(RustEmbed)]
#[folder = "dist/"]
#[allow_missing = true]
struct Built;

#[derive(RustEmbed)]
#[folder = "src/fallback/"]
struct Fallback;

/// A file of the page, ready to be answered with.
#[derive(Debug, Clone)]
pub struct Asset {
    /// The content, as it was built; borrowed from the binary.
    pub body: Cow<'static, [u8]>,
    /// For `Content-Type`, with the character set where the type is text.
    pub content_type: &'static str,
    /// For `ETag`: a strong validator (RFC 9110, section 8.8.3), quotes included, made from the content alone.
    pub etag: String,
    /// Whether this path can never have another content: `Cache-Control: public, max-age=31536000, immutable`.
    /// Else `no-cache`, so that the entity tag is asked about.
    pub immutable: bool,
}

/// The asset at a request's path, with or without the leading slash; `/` is the page itself.
///
/// `None` where there is no such file. The path is taken literally, not percent-decoded, and only looked up among
/// the embedded names, so no path leads out of them.
pub fn asset(path: &str) -> Option<Asset> {
    let name = match path.strip_prefix('/').unwrap_or(path) {
        "" => INDEX,
        name => name,
    };
    let file = if is_built() { Built::get(name) } else { Fallback::get(name) };
    file.map(|file| describe(name, file))
}

/// Whether the page itself is in this binary; if not, [`asset`] serves the fallback.
pub fn is_built() -> bool {
    Built::get(INDEX).is_some()
}

fn describe(name: &str, file: EmbeddedFile) -> Asset {
    Asset {
        body: file.data,
        content_type: content_type::of(name),
        etag: entity_tag(&file.metadata.sha256_hash()),
        immutable: name.starts_with(HASHED),
    }
}

/// Half of a SHA-256 in hex: 128 bits are plenty to tell two builds apart.
fn entity_tag(hash: &[u8; 32]) -> String {
    let mut tag = String::with_capacity(34);
    tag.push('"');
    for byte in &hash[..16] {
        let _ = write!(tag, "{byte:02x}");
    }
    tag.push('"');
    tag
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(path: &str) -> String {
        let asset = asset(path).unwrap_or_else(|| panic!("{path} should be there"));
        String::from_utf8(asset.body.into_owned()).expect("assets that are text are UTF-8")
    }

    /// Every `src="…"` and `href="…"` of the start page.
    fn references(html: &str) -> Vec<&str> {
        let mut found = Vec::new();
        for marker in ["src=\"", "href=\""] {
            found.extend(html.split(marker).skip(1).filter_map(|rest| rest.split('"').next()));
        }
        found
    }

    #[test]
    fn the_start_page_is_there_with_and_without_a_built_page() {
        let page = asset("/").expect("a start page");
        assert_eq!(page.content_type, "text/html; charset=utf-8");
        assert!(!page.immutable, "a new build must be seen at once");
        assert_eq!(page.body, asset("/index.html").expect("the same by name").body);
    }

    #[test]
    fn everything_the_start_page_refers_to_is_served_from_here() {
        let html = text("/");
        let paths = references(&html);
        assert!(!paths.is_empty(), "the page has at least a style sheet");
        for path in paths {
            assert!(asset(path).is_some(), "{path} is referred to but not embedded");
        }
    }

    #[test]
    fn nothing_of_the_start_page_needs_what_the_policy_forbids() {
        let html = text("/");
        assert!(!html.contains("<style"), "inline style");
        assert!(!html.contains(" style="), "inline style");
        for script in html.split("<script").skip(1) {
            let tag = script.split('>').next().unwrap_or_default();
            assert!(tag.contains("src="), "inline script: <script{tag}>");
        }
    }

    #[test]
    fn the_fallback_says_how_to_get_the_page() {
        let page = Fallback::get(INDEX).expect("the fallback is always embedded");
        assert!(String::from_utf8_lossy(&page.data).contains("make web"));
        assert!(Fallback::get("fallback.css").is_some());
    }

    #[test]
    fn only_hashed_names_are_immutable() {
        let file = || Fallback::get(INDEX).expect("the fallback is always embedded");
        assert!(describe("assets/index-B1x2.js", file()).immutable);
        assert!(!describe("favicon.svg", file()).immutable);
    }

    #[test]
    fn an_entity_tag_is_quoted_and_follows_the_content() {
        let tag = asset("/").expect("a start page").etag;
        assert!(tag.starts_with('"') && tag.ends_with('"') && tag.len() == 34, "{tag}");
        assert_eq!(tag, asset("/").expect("a start page").etag);
        assert_ne!(entity_tag(&[0; 32]), entity_tag(&[1; 32]));
    }

    #[test]
    fn no_path_leads_out() {
        for path in ["/../Cargo.toml", "../src/lib.rs", "//index.html", "/etc/passwd", "/.", "/assets/"] {
            assert!(asset(path).is_none(), "{path}");
        }
    }
}
