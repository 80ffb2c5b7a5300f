//! The arguments of `Scorer.load`: what they mean, and how a pickled scorer keeps them.

use std::path::{Path, PathBuf, absolute};

use cappy::checkpoint::hub::{HubOptions, download};
use cappy::checkpoint::{Directory, WeightFormat};
use cappy::{
    Backend, Dtype, Error, ErrorKind, GpuBackend, Info, LoadOptions, ModelSource, Progress, Result,
    Scorer, compute_and_weights,
};
use cappy_cpu::Cpu;
use cappy_cpu::fastest::{Fastest, remembered};
use serde::{Deserialize, Serialize};

/// What was given to `Scorer.load`, but for the callback and the token. A token is a secret, and pickles
/// are stored and sent: whoever loads again reads it from the environment.
#[derive(Clone, Serialize, Deserialize)]
pub struct Arguments {
    pub model: Option<String>,
    pub device: String,
    pub compute: String,
    pub weights: String,
    pub adapter: Option<PathBuf>,
    pub revision: Option<String>,
}

impl Arguments {
    /// The same with absolute paths, because a pickled scorer may be loaded from another working folder.
    ///
    /// # Errors
    /// [`ErrorKind::Input`] naming the argument that no model can be loaded with.
    pub fn checked(mut self, token: Option<&str>) -> Result<Arguments> {
        let source = self.source();
        for (name, given) in [("revision", self.revision.is_some()), ("token", token.is_some())] {
            if given && !matches!(source, ModelSource::Hub(_)) {
                return refuse(name, "is for models of a hub".into());
            }
        }
        let whole = |path: &Path| {
            absolute(path).map_err(|error| {
                Error::new(ErrorKind::Io, path.display().to_string(), error.to_string())
            })
        };
        if let ModelSource::Directory(path) = &source {
            self.model = Some(whole(path)?.display().to_string());
        }
        self.adapter = self.adapter.as_deref().map(whole).transpose()?;
        self.backend()?;
        self.dtype()?;
        self.weights()?;
        Ok(self)
    }

    /// Loads the model. `progress` is told how far that is.
    ///
    /// # Errors
    /// As [`Scorer::load`].
    pub async fn load(
        &self,
        token: Option<String>,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(Scorer, Info)> {
        let mut source = self.source();
        if let (ModelSource::Hub(id), Some(token)) = (&source, token) {
            let mut options = HubOptions::from_env()?;
            options.token = Some(token);
            let folder = download(id, &options, &mut |download| {
                progress(Progress::Download {
                    file: download.file.to_owned(),
                    bytes: download.bytes,
                    total: download.total,
                });
            })?;
            source = ModelSource::Directory(folder);
        }
        let tuning = remembered::read();
        let options = LoadOptions {
            backend: Some(self.backend()?),
            dtype: self.dtype()?,
            weights: self.weights()?,
            tuning: tuning.as_deref(),
            adaptation: self.adapter.as_ref().map(|path| Box::new(Directory::new(path)) as _),
            progress: Some(progress),
            ..LoadOptions::default()
        };
        let scorer = Scorer::load(source, options).await?;
        let mut info = scorer.info().clone();
        remembered::write(&info.tuning, tuning.as_deref());
        if let ModelSource::Hub(id) = self.source() {
            info.model = id;
        }
        Ok((scorer, info))
    }

    fn source(&self) -> ModelSource {
        match (self.model.as_deref().map(ModelSource::parse), &self.revision) {
            (None, _) => ModelSource::Embedded,
            (Some(ModelSource::Hub(id)), Some(revision)) => {
                ModelSource::Hub(format!("{id}@{revision}"))
            }
            (Some(source), _) => source,
        }
    }

    fn backend(&self) -> Result<&'static dyn Backend> {
        match &*self.device {
            "auto" => Ok(&Fastest { cpu: Cpu { numbers: None } }),
            "gpu" => Ok(&GpuBackend),
            "cpu" => Ok(&Cpu { numbers: None }),
            other => refuse("device", format!("is {other:?}; auto, gpu and cpu are known")),
        }
    }

    fn dtype(&self) -> Result<Dtype> {
        match &*self.compute {
            known @ ("auto" | "f16" | "f32") => Ok(compute_and_weights(known)?.0),
            other => refuse("compute", format!("is {other:?}; auto, f16 and f32 are known")),
        }
    }

    fn weights(&self) -> Result<Option<WeightFormat>> {
        match &*self.weights {
            known @ ("auto" | "f16" | "q8" | "q4") => Ok(compute_and_weights(known)?.1),
            other => refuse("weights", format!("is {other:?}; auto, f16, q8 and q4 are known")),
        }
    }
}

fn refuse<T>(argument: &str, what: String) -> Result<T> {
    Err(Error::new(ErrorKind::Input, argument, what))
}
