//! The style sheet and the script of the pages, built into the program.
//!
//! Their addresses carry a digest of what is in them, so browsers keep them for as long as they like.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};

use crate::api::Trouble;
use crate::layout;

const STYLE: &str = include_str!("assets/console.css");
const SCRIPT: &str = include_str!("assets/console.js");
const ICON: &str = include_str!("assets/icon.svg");

/// A year.
const FOR_EVER: &str = "public, max-age=31536000, immutable";

/// The addresses of the assets.
#[derive(Debug)]
pub(crate) struct Assets {
    /// Of the style sheet.
    pub(crate) style: String,
    /// Of the script.
    pub(crate) script: String,
    /// Of the icon.
    pub(crate) icon: String,
}

/// Where the assets are.
pub(crate) static ASSETS: LazyLock<Assets> = LazyLock::new(|| {
    let at = |content: &str, kind: &str| format!("/console/assets/{:016x}.{kind}", digest(content));
    Assets { style: at(STYLE, "css"), script: at(SCRIPT, "js"), icon: at(ICON, "svg") }
});

/// FNV-1a: it has to differ where the content does, and nothing else.
fn digest(content: &str) -> u64 {
    content.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// An asset by its name. Names of earlier versions are answered with the present content, as a page
/// that was open during a deployment asks for it.
pub(crate) async fn asset(Path(name): Path<String>) -> Response {
    let (kind, content) = match name.rsplit_once('.') {
        Some((_, "css")) => ("text/css; charset=utf-8", STYLE),
        Some((_, "js")) => ("text/javascript; charset=utf-8", SCRIPT),
        Some((_, "svg")) => ("image/svg+xml", ICON),
        _ => return layout::trouble(&Trouble::nowhere()).into_response(),
    };
    let present = [&ASSETS.style, &ASSETS.script, &ASSETS.icon];
    let keep = if present.iter().any(|it| it.ends_with(&name)) { FOR_EVER } else { "no-cache" };
    ([(CONTENT_TYPE, kind), (CACHE_CONTROL, keep)], content).into_response()
}
