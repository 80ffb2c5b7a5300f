//! Models of sentence-transformers that are chains of modules: `modules.json` lists them, and each but
//! the transformer has a folder of its own, with its settings and weights. A `CrossEncoder` whose head
//! is such a chain, as Ettin's rerankers are, computes what `ModernBertForSequenceClassification` does.

use serde_json::Value;

use super::source::{ByteSource, Files, LocalFuture, MODULES, SETTINGS, TRANSFORMER, read_json};
use super::{Checkpoint, Held, open};
use crate::config::{Activation, Family, Head, Module, OtherFamilies, Pooling};
use crate::error::{Error, ErrorKind, Result};

/// The modules that a head can be made of.
const HEAD: [&str; 5] = ["Transformer", "Pooling", "Dense", "LayerNorm", "Dense"];

/// What computes nothing in use, only in training.
const DROPOUT: &str = "Dropout";

/// A module in the list.
#[derive(Debug, PartialEq)]
struct Listed {
    /// The name of its class; the whole path of one that is not sentence-transformers' own.
    class: String,
    /// Its folder in that of the model.
    path: String,
}

/// A head that is a chain of modules.
#[derive(Debug)]
pub(crate) struct Chain {
    pub(crate) head: Head,
    /// The folders of the two dense layers and, between them, of the LayerNorm.
    folders: [String; 3],
}

impl Chain {
    /// Reads the settings of the modules behind a bare encoder; `None` where there are none. It is no
    /// `async` function, for the compiler to see what a build without other families can leave out.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] naming the module, or the file and the field, that is not supported.
    pub(crate) fn read(files: &dyn Files) -> LocalFuture<'_, Result<Option<Chain>>> {
        match OtherFamilies::built() {
            Some(_) => Box::pin(read(files)),
            None => Box::pin(async { Ok(None) }),
        }
    }

    /// Adds the modules' tensors to the encoder's, by the names that they have in
    /// `ModernBertForSequenceClassification`.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] and [`ErrorKind::Checkpoint`] as opening any weights.
    pub(crate) async fn complete(&self, to: &mut Checkpoint, files: &dyn Files) -> Result<()> {
        // What `cappy convert` writes is one file. A language model's head has the other names, too.
        if to.shape(&Module::Project.weight(Family::ModernBert)).is_some() {
            return Ok(());
        }
        let modules = [Module::Dense, Module::HeadNorm, Module::Project];
        let biases = [self.head.dense_bias, true, self.head.project_bias];
        for ((module, path), has_bias) in modules.into_iter().zip(&self.folders).zip(biases) {
            let folder = Folder { files, path };
            let theirs = if module == Module::HeadNorm { "norm" } else { "linear" };
            let name = module.name(Family::ModernBert);
            let kinds = if has_bias { &["weight", "bias"][..] } else { &["weight"] };
            let names =
                kinds.iter().map(|kind| (format!("{theirs}.{kind}"), format!("{name}.{kind}")));
            to.take(open::open(&folder).await?, path, names.collect())?;
        }
        Ok(())
    }
}

impl Checkpoint {
    /// Takes some tensors out of `other`, the weights in the folder `path`, by new names.
    fn take(
        &mut self,
        mut other: Checkpoint,
        path: &str,
        names: Vec<(String, String)>,
    ) -> Result<()> {
        for (theirs, ours) in names {
            let Some(Held::Stored(mut view)) = other.tensors.remove(&theirs) else {
                let near: Vec<&str> = other.names().take(5).collect();
                let what = format!("is not in the module's weights, which has {}", near.join(", "));
                return Err(Error::new(ErrorKind::Checkpoint, format!("{path}: {theirs}"), what));
            };
            view.file += self.sources.len();
            self.tensors.insert(ours, Held::Stored(view));
        }
        self.sources.append(&mut other.sources);
        self.file_bytes = self.file_bytes.saturating_add(other.file_bytes);
        Ok(())
    }
}

async fn read(files: &dyn Files) -> Result<Option<Chain>> {
    let Some(modules) = read_json(files, MODULES).await? else { return Ok(None) };
    let settings = read_json(files, SETTINGS).await?.unwrap_or_default();
    if settings["model_type"] != "CrossEncoder" {
        let why = "is not \"CrossEncoder\": a model of embeddings has no scores of pairs";
        return Err(refuse(&format!("{SETTINGS}: model_type"), why));
    }
    let value = read_json(files, TRANSFORMER).await?.unwrap_or_default();
    let transformer = Fields { file: TRANSFORMER.into(), value };
    transformer.only("transformer_task", "feature-extraction")?;
    transformer.only("module_output_name", "token_embeddings")?;
    let modality = &transformer.value["modality_config"];
    if modality.is_object() && modality["text"]["method_output_name"] != "last_hidden_state" {
        let why = "gives something else than last_hidden_state, which is not supported";
        return Err(transformer.refuse("modality_config", why));
    }

    let listed = listed(&modules)?;
    let used: Vec<&Listed> = listed.iter().filter(|module| module.class != DROPOUT).collect();
    if let Some(other) = used.iter().find(|module| !HEAD.contains(&&module.class[..])) {
        let why = format!("has the module {}, which is not supported", other.class);
        return Err(refuse(MODULES, &why));
    }
    let classes: Vec<&str> = used.iter().map(|module| &module.class[..]).collect();
    if classes != HEAD {
        let (found, head) = (classes.join(", "), HEAD.join(", "));
        return Err(refuse(MODULES, &format!("is the chain {found}; {head} is supported")));
    }
    if !used[0].path.is_empty() {
        let why = format!("has the transformer in {:?}, not in the folder itself", used[0].path);
        return Err(refuse(MODULES, &why));
    }
    let [pooling, dense, norm, project] = [1, 2, 3, 4].map(|place| &used[place].path);

    let pooled = Fields::open(files, &format!("{pooling}/config.json")).await?;
    let (pooling, width) = (pooled.pooling()?, pooled.width()?);
    let first = Fields::open(files, &format!("{dense}/config.json")).await?;
    first.dense(width, Some(width), "sentence_embedding")?;
    let normal = Fields::open(files, &format!("{norm}/config.json")).await?;
    normal.size_is("dimension", width)?;
    let last = Fields::open(files, &format!("{project}/config.json")).await?;
    let outputs = last.dense(width, None, "scores")?;
    let act = first.activation()?.ok_or_else(|| {
        first.refuse("activation_function", "is Identity; torch's GELU and ReLU are supported")
    })?;
    if last.activation()?.is_some() {
        let why = "is not Identity: scores are raw logits";
        return Err(last.refuse("activation_function", why));
    }
    let head = Head {
        pooling,
        act,
        width,
        dense_bias: first.flag("bias", true)?,
        project_bias: last.flag("bias", true)?,
        outputs,
    };
    Ok(Some(Chain { head, folders: [dense, norm, project].map(String::clone) }))
}

/// The modules that `modules.json` lists.
fn listed(modules: &Value) -> Result<Vec<Listed>> {
    let refuse = |why: &str| refuse(MODULES, why);
    let modules = modules.as_array().ok_or_else(|| refuse("is not a list of modules"))?;
    let module = |module: &Value| {
        let (Some(class), Some(path)) = (module["type"].as_str(), module["path"].as_str()) else {
            return Err(refuse("has a module without a type or a path"));
        };
        if !path.is_empty() && !is_plain_folder(path) {
            return Err(refuse(&format!("has a module in {path:?}, which is no name of a folder")));
        }
        let own = class.starts_with("sentence_transformers.");
        let class = if own { class.rsplit('.').next().unwrap_or_default() } else { class };
        Ok(Listed { class: class.into(), path: path.into() })
    };
    modules.iter().map(module).collect()
}

/// The folders of modules that `modules.json` lists, and whether each has weights in it.
pub(super) fn folders(json: &[u8]) -> Vec<(String, bool)> {
    let modules = serde_json::from_slice(json).ok().and_then(|modules| listed(&modules).ok());
    let modules = modules.into_iter().flatten().filter(|module| !module.path.is_empty());
    modules.map(|Listed { class, path }| (path, class == "Dense" || class == "LayerNorm")).collect()
}

/// Whether this names a folder beside the file it stands in, on every system and in an address.
fn is_plain_folder(path: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    path.len() <= 100 && !path.starts_with('.') && path.chars().all(plain)
}

/// The settings of one module.
struct Fields {
    file: String,
    value: Value,
}

impl Fields {
    async fn open(files: &dyn Files, file: &str) -> Result<Fields> {
        let missing = || Error::new(ErrorKind::NotFound, file, "is not there");
        let value = read_json(files, file).await?.ok_or_else(missing)?;
        Ok(Fields { file: file.into(), value })
    }

    fn refuse(&self, field: &str, why: impl AsRef<str>) -> Error {
        refuse(&format!("{}: {field}", self.file), why.as_ref())
    }

    /// Refuses any other text than this one; a field that is missing has it.
    fn only(&self, field: &str, text: &str) -> Result<()> {
        match &self.value[field] {
            Value::Null => Ok(()),
            Value::String(found) if found == text => Ok(()),
            found => Err(self.refuse(field, format!("is {found}, only {text:?} is supported"))),
        }
    }

    fn flag(&self, field: &str, default: bool) -> Result<bool> {
        match &self.value[field] {
            Value::Null => Ok(default),
            Value::Bool(flag) => Ok(*flag),
            _ => Err(self.refuse(field, "is neither true nor false")),
        }
    }

    fn size(&self, field: &str) -> Result<usize> {
        let size = self.value[field].as_u64().filter(|size| (1..=1 << 16).contains(size));
        size.map(|size| size as usize)
            .ok_or_else(|| self.refuse(field, "is not a whole number from 1 to 65536"))
    }

    fn size_is(&self, field: &str, expected: usize) -> Result<()> {
        match self.size(field)? {
            size if size == expected => Ok(()),
            size => Err(self.refuse(field, format!("is {size}, the head is {expected} wide"))),
        }
    }

    /// The outputs of a dense layer, which puts them out by the name `to`.
    fn dense(&self, inputs: usize, outputs: Option<usize>, to: &str) -> Result<usize> {
        self.size_is("in_features", inputs)?;
        if let Some(outputs) = outputs {
            self.size_is("out_features", outputs)?;
        }
        self.only("module_input_name", "sentence_embedding")?;
        if to != "sentence_embedding" && self.value["module_output_name"].is_null() {
            return Err(self.refuse("module_output_name", format!("is missing, expected {to:?}")));
        }
        self.only("module_output_name", to)?;
        if self.flag("use_residual", false)? {
            return Err(self.refuse("use_residual", "is set, which is not supported"));
        }
        self.size("out_features")
    }

    /// The function after a dense layer; `None` for the identity.
    fn activation(&self) -> Result<Option<Activation>> {
        let field = "activation_function";
        match self.value[field].as_str() {
            Some("torch.nn.modules.activation.GELU") => Ok(Some(Activation::Gelu)),
            Some("torch.nn.modules.activation.ReLU") => Ok(Some(Activation::Relu)),
            Some("torch.nn.modules.linear.Identity") => Ok(None),
            Some(other) => {
                let why = format!("is {other:?}; torch's GELU and ReLU are supported");
                Err(self.refuse(field, why))
            }
            None => {
                let why = "is missing, which stands for Tanh; torch's GELU and ReLU are supported";
                Err(self.refuse(field, why))
            }
        }
    }

    fn width(&self) -> Result<usize> {
        let older = "word_embedding_dimension";
        self.size(if self.value[older].is_null() { "embedding_dimension" } else { older })
    }

    /// One mode, by its name or as older versions write it: a flag for each.
    fn pooling(&self) -> Result<Pooling> {
        if !self.flag("include_prompt", true)? {
            return Err(self.refuse("include_prompt", "is false, which is not supported"));
        }
        let field = "pooling_mode";
        let mode = &self.value[field];
        let one =
            if mode.as_array().is_some_and(|modes| modes.len() == 1) { &mode[0] } else { mode };
        let flags = self.value.as_object().into_iter().flatten();
        let older: Vec<&str> = flags
            .filter(|(_, flag)| **flag == true)
            .filter_map(|(name, _)| name.strip_prefix("pooling_mode_"))
            .collect();
        match (one, &older[..]) {
            (Value::String(mode), _) if mode == "cls" => Ok(Pooling::Cls),
            (Value::String(mode), _) if mode == "mean" => Ok(Pooling::Mean),
            (Value::Null, ["cls_token"]) => Ok(Pooling::Cls),
            (Value::Null, ["mean_tokens"] | []) => Ok(Pooling::Mean),
            (Value::Null, modes) => {
                let why = format!("is {}; cls and mean are supported", modes.join(" with "));
                Err(self.refuse(field, why))
            }
            (mode, _) => Err(self.refuse(field, format!("is {mode}; cls and mean are supported"))),
        }
    }
}

/// A folder in a folder.
struct Folder<'a> {
    files: &'a dyn Files,
    path: &'a str,
}

impl Files for Folder<'_> {
    fn describe(&self) -> String {
        format!("{}/{}", self.files.describe(), self.path)
    }

    fn open<'a>(&'a self, name: &'a str) -> LocalFuture<'a, Result<Option<Box<dyn ByteSource>>>> {
        Box::pin(async move { self.files.open(&format!("{}/{name}", self.path)).await })
    }
}

fn refuse(at_fault: &str, why: &str) -> Error {
    Error::new(ErrorKind::Config, at_fault, why)
}

#[cfg(test)]
mod tests;
