//! The page's own files, in the program itself.

use super::error::Failure;
use axum::extract::Path;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use shared::ids::Digest;
use std::sync::LazyLock;

struct Asset {
    name: &'static str,
    kind: &'static str,
    bytes: &'static [u8],
    tag: String,
}

static ASSETS: LazyLock<[Asset; 5]> = LazyLock::new(|| {
    const SCRIPT: &str = "text/javascript; charset=utf-8";
    [
        asset("style.css", "text/css; charset=utf-8", include_bytes!("../../assets/style.css")),
        asset("chat.js", SCRIPT, include_bytes!("../../assets/chat.js")),
        asset("form.js", SCRIPT, include_bytes!("../../assets/form.js")),
        asset("request.js", SCRIPT, include_bytes!("../../assets/request.js")),
        asset("icon.svg", "image/svg+xml", include_bytes!("../../assets/icon.svg")),
    ]
});

fn asset(name: &'static str, kind: &'static str, bytes: &'static [u8]) -> Asset {
    Asset { name, kind, bytes, tag: format!("\"{}\"", &Digest::of(bytes).to_string()[..16]) }
}

/// One of the files, or nothing when the browser has it already.
pub(crate) async fn file(Path(name): Path<String>, headers: HeaderMap) -> Result<Response, Failure> {
    let asset = ASSETS.iter().find(|a| a.name == name).ok_or(Failure::NotFound)?;
    let kept = headers.get(IF_NONE_MATCH).is_some_and(|tag| tag.as_bytes() == asset.tag.as_bytes());
    let head = [(CONTENT_TYPE, asset.kind), (ETAG, asset.tag.as_str()), (CACHE_CONTROL, "no-cache")];
    Ok(if kept { (StatusCode::NOT_MODIFIED, head).into_response() } else { (head, asset.bytes).into_response() })
}
