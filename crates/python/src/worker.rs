//! The thread that a scorer lives on. A scorer stays on the thread that loaded it, and Python calls from any: each
//! call is a job for that thread, and jobs run one after another, because each has all of the device anyway.

use std::process;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use cappy::{Error, ErrorKind, Info, Progress, Score, Scorer};
use pyo3::prelude::*;

use crate::arguments::Arguments;
use crate::errors::{at, closed, raise, refuse};

/// How long a Ctrl-C waits until it is seen.
const TICK: Duration = Duration::from_millis(20);

type Job = Box<dyn FnOnce(&Scorer) + Send>;

/// What the thread says while it loads.
enum Loading {
    Progress(Progress),
    Loaded(Result<Box<Info>, Error>),
}

/// The thread, as long as it is not closed.
pub struct Worker {
    jobs: Mutex<Option<(Sender<Job>, JoinHandle<()>)>>,
    /// A process that forks takes no threads along.
    process: u32,
}

impl Worker {
    /// Starts a thread and loads the model on it.
    pub fn start(
        py: Python<'_>,
        arguments: Arguments,
        token: Option<String>,
        progress: Option<Bound<'_, PyAny>>,
    ) -> PyResult<(Worker, Info)> {
        let (say, mut said) = mpsc::channel();
        let (give, jobs) = mpsc::channel::<Job>();
        let live = move || {
            let mut progress = |progress| {
                let _ = say.send(Loading::Progress(progress));
            };
            let (loaded, scorer) = match pollster::block_on(arguments.load(token, &mut progress)) {
                Ok((scorer, info)) => (Ok(Box::new(info)), Some(scorer)),
                Err(error) => (Err(error), None),
            };
            let _ = say.send(Loading::Loaded(loaded));
            if let Some(scorer) = scorer {
                jobs.into_iter().for_each(|job| job(&scorer));
            }
        };
        let thread = thread::Builder::new().name("cappy".into()).spawn(live);
        let thread = thread.map_err(|error| {
            raise(&Error::new(ErrorKind::Io, "thread", format!("cannot be started: {error}")))
        })?;
        loop {
            match receive(py, &mut said)? {
                Loading::Progress(step) => {
                    if let Some(progress) = &progress {
                        let (file, bytes, total) = match step {
                            Progress::Download { file, bytes, total } => (Some(file), bytes, total),
                            Progress::Load { bytes, total } => (None, bytes, total),
                            _ => continue,
                        };
                        progress.call1((file, bytes, total))?;
                    }
                }
                Loading::Loaded(Err(error)) => return Err(raise(&error)),
                Loading::Loaded(Ok(info)) => {
                    let jobs = Mutex::new(Some((give, thread)));
                    return Ok((Worker { jobs, process: process::id() }, *info));
                }
            }
        }
    }

    /// Does `work` on the thread, while other threads of Python run. It is given what to ask whether its caller
    /// still waits: a Ctrl-C ends the call at once, and the work where it asks next.
    pub fn run<T: Send + 'static>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(&Scorer, &dyn Fn() -> bool) -> T + Send + 'static,
    ) -> PyResult<T> {
        if self.process != process::id() {
            let what = "was loaded before this process was forked off; load it here, or let a pickle do that";
            return Err(refuse("scorer", what));
        }
        let stop = Arc::new(AtomicBool::new(false));
        let (say, mut answer) = mpsc::channel();
        let asked = Arc::clone(&stop);
        let job: Job = Box::new(move |scorer| {
            let stop = || asked.load(Ordering::Relaxed);
            if !stop() {
                let _ = say.send(work(scorer, &stop));
            }
        });
        match &*self.jobs.lock().unwrap_or_else(PoisonError::into_inner) {
            None => return Err(closed()),
            Some((jobs, _)) => jobs.send(job).map_err(|_| ended())?,
        }
        receive(py, &mut answer).inspect_err(|_| stop.store(true, Ordering::Relaxed))
    }

    /// Ends the thread after the jobs that it has, and waits until it gave back its memory. A fork has no such thread.
    pub fn close(&self, py: Python<'_>) -> PyResult<()> {
        let taken = self.jobs.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some((jobs, thread)) = taken else { return Ok(()) };
        drop(jobs);
        while self.process == process::id() && !thread.is_finished() {
            py.detach(|| thread::sleep(TICK / 4));
            py.check_signals()?;
        }
        Ok(())
    }
}

/// Waits for an answer while other threads of Python run, and for a Ctrl-C.
fn receive<T: Send>(py: Python<'_>, answers: &mut Receiver<T>) -> PyResult<T> {
    loop {
        let waiting = &mut *answers;
        match py.detach(move || waiting.recv_timeout(TICK)) {
            Ok(answer) => return Ok(answer),
            Err(RecvTimeoutError::Timeout) => py.check_signals()?,
            Err(RecvTimeoutError::Disconnected) => return Err(ended()),
        }
    }
}

fn ended() -> PyErr {
    let what = "ended unexpectedly; what it printed says why";
    raise(&Error::new(ErrorKind::Aborted, "the thread of the scorer", what))
}

/// Scores `pairs`, asking `stop` between submissions.
///
/// # Errors
/// With the number of the pair at fault, from 0, those before which have their scores.
pub fn score(
    scorer: &Scorer,
    pairs: &[(&str, &str)],
    stop: &dyn Fn() -> bool,
    scores: &mut Vec<Score>,
) -> Result<(), Error> {
    while scores.len() < pairs.len() {
        scores.extend(pollster::block_on(scorer.score_batch(pairs, scores.len(), stop))?);
    }
    Ok(())
}

/// The scores of all `pairs`, each called `name` and its number, from 0.
pub fn score_all(
    scorer: &Scorer,
    pairs: &[(&str, &str)],
    name: &str,
    stop: &dyn Fn() -> bool,
) -> Result<Vec<Score>, Error> {
    let mut scores = Vec::with_capacity(pairs.len());
    match score(scorer, pairs, stop, &mut scores) {
        Ok(()) => Ok(scores),
        Err(error) => Err(at(format!("{name} {}", scores.len()), error)),
    }
}
