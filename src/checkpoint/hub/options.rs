//! Where the hub and its cache folder are.

use std::env;
use std::fmt;
use std::fs;
use std::path::PathBuf;

use super::expand::{Var, expand};
use super::proxy::Proxies;
use crate::error::{Error, ErrorKind, Result};

const ENDPOINT: &str = "https://huggingface.co";

/// Where the hub is, where its files are kept, and who asks.
#[derive(Clone)]
#[non_exhaustive]
pub struct HubOptions {
    /// The cache folder, which holds a folder `models--owner--name` for each model.
    pub cache: PathBuf,
    /// The hub's address, without a slash at the end.
    pub endpoint: String,
    /// The access token for private and gated models. It is sent to `endpoint` and nowhere else.
    pub token: Option<String>,
    /// Use nothing but what is in the cache folder.
    pub offline: bool,
    /// What requests go through.
    pub proxies: Proxies,
}

impl HubOptions {
    /// The public hub without a token or proxies, keeping files in the folder `cache`.
    pub fn new(cache: impl Into<PathBuf>) -> HubOptions {
        HubOptions {
            cache: cache.into(),
            endpoint: ENDPOINT.into(),
            token: None,
            offline: false,
            proxies: Proxies::default(),
        }
    }

    /// The options that Python's `huggingface_hub` would use: `HF_HUB_CACHE` (else `hub` in
    /// `HF_HOME`, else in `huggingface` in the user's cache folder), `HF_ENDPOINT`, `HF_TOKEN`
    /// (else the file `HF_TOKEN_PATH`, else `token` in `HF_HOME`; none when
    /// `HF_HUB_DISABLE_IMPLICIT_TOKEN` is set), `HF_HUB_OFFLINE` and `TRANSFORMERS_OFFLINE`. In
    /// paths `~` and `$VAR` are expanded. Proxies are those of [`Proxies::from_env`].
    ///
    /// # Errors
    /// [`ErrorKind::Input`] when no variable names a folder and the user has no home folder.
    pub fn from_env() -> Result<HubOptions> {
        HubOptions::from_vars(&|name| env::var_os(name), env::home_dir())
    }

    fn from_vars(var: Var, user: Option<PathBuf>) -> Result<HubOptions> {
        let set = |name: &str| var(name).filter(|value| !value.is_empty());
        let text = |name: &str| set(name).and_then(|value| value.into_string().ok());
        let flag = |name: &str| {
            text(name).is_some_and(|value| {
                ["1", "ON", "YES", "TRUE"].contains(&value.to_uppercase().as_str())
            })
        };
        let path = |name: &str| set(name).map(|value| expand(value, var, user.as_deref()));

        let home = path("HF_HOME")
            .or_else(|| path("XDG_CACHE_HOME").map(|cache| cache.join("huggingface")))
            .or_else(|| user.as_ref().map(|user| user.join(".cache").join("huggingface")));
        let cache = path("HF_HUB_CACHE")
            .or_else(|| path("HUGGINGFACE_HUB_CACHE"))
            .or_else(|| home.as_ref().map(|home| home.join("hub")))
            .ok_or_else(|| {
                Error::new(
                    ErrorKind::Input,
                    "HF_HOME",
                    "is not set, and there is no home folder to keep models in",
                )
            })?;
        let token_file = path("HF_TOKEN_PATH").or_else(|| home.map(|home| home.join("token")));
        let token = text("HF_TOKEN")
            .or_else(|| text("HUGGING_FACE_HUB_TOKEN"))
            .or_else(|| {
                // Like Python, a file that can't be read is no file.
                let file = token_file.filter(|_| !flag("HF_HUB_DISABLE_IMPLICIT_TOKEN"))?;
                fs::read_to_string(file).ok()
            })
            .map(|token| token.trim().to_string())
            .filter(|token| !token.is_empty());
        let endpoint = text("HF_ENDPOINT").unwrap_or_else(|| ENDPOINT.into());
        Ok(HubOptions {
            cache,
            endpoint: endpoint.trim_end_matches('/').into(),
            token,
            offline: flag("HF_HUB_OFFLINE") || flag("TRANSFORMERS_OFFLINE"),
            proxies: Proxies::from_vars(var),
        })
    }
}

impl fmt::Debug for HubOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HubOptions")
            .field("cache", &self.cache)
            .field("endpoint", &self.endpoint)
            .field("token", &self.token.as_ref().map(|_| "secret"))
            .field("offline", &self.offline)
            .field("proxies", &self.proxies)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsString;
    use std::path::Path;

    fn options(vars: &[(&str, &str)]) -> HubOptions {
        let var = |name: &str| {
            vars.iter().find(|(key, _)| *key == name).map(|(_, value)| OsString::from(value))
        };
        HubOptions::from_vars(&var, Some(PathBuf::from("/user"))).unwrap()
    }

    #[test]
    fn folders_are_found_in_pythons_order() {
        for (vars, cache) in [
            (&[][..], "/user/.cache/huggingface/hub"),
            (&[("XDG_CACHE_HOME", "/xdg")], "/xdg/huggingface/hub"),
            (&[("XDG_CACHE_HOME", "/xdg"), ("HF_HOME", "/home")], "/home/hub"),
            (&[("HF_HOME", "~/models")], "/user/models/hub"),
            (&[("HF_HOME", "$DATA/${TEAM}"), ("DATA", "/d"), ("TEAM", "a b")], "/d/a b/hub"),
            (&[("HF_HUB_CACHE", "~/$X"), ("X", "x")], "/user/x"),
            (&[("HUGGINGFACE_HUB_CACHE", "$X/y"), ("X", "/x")], "/x/y"),
            (&[("XDG_CACHE_HOME", "~/c")], "/user/c/huggingface/hub"),
            (&[("HF_HOME", "/home"), ("HF_HUB_CACHE", "/cache")], "/cache"),
            (&[("HF_HOME", "")], "/user/.cache/huggingface/hub"),
        ] {
            assert_eq!(options(vars).cache, Path::new(cache), "{vars:?}");
        }
        let error = HubOptions::from_vars(&|_| None, None).unwrap_err();
        assert_eq!(error.at_fault(), "HF_HOME");
    }

    #[test]
    fn a_token_comes_from_the_variable_or_the_file() {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("token"), "from file\n").unwrap();
        let home = home.path().to_str().unwrap();
        let token = |vars: &[(&str, &str)]| options(vars).token;
        assert_eq!(token(&[("HF_HOME", home)]).as_deref(), Some("from file"));
        assert_eq!(token(&[("HF_HOME", home), ("HF_TOKEN", " it ")]).as_deref(), Some("it"));
        assert_eq!(token(&[("HF_HOME", home), ("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1")]), None);
        assert_eq!(token(&[("HF_HOME", "/nowhere")]), None);
        let of_path = [("HF_TOKEN_PATH", "$WHERE/token"), ("WHERE", home)];
        assert_eq!(token(&of_path).as_deref(), Some("from file"));
        let shown = format!("{:?}", options(&[("HF_TOKEN", "hf_123")]));
        assert!(!shown.contains("hf_123"), "{shown}");
    }

    #[test]
    fn endpoint_and_offline_are_read() {
        let public = options(&[]);
        assert_eq!((public.endpoint.as_str(), public.offline), (ENDPOINT, false));
        let mirror = options(&[("HF_ENDPOINT", "http://mirror:8080/"), ("HF_HUB_OFFLINE", "yes")]);
        assert_eq!((mirror.endpoint.as_str(), mirror.offline), ("http://mirror:8080", true));
        assert!(!options(&[("HF_HUB_OFFLINE", "0")]).offline);
    }
}
