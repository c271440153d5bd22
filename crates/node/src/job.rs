//! A call that runs off the JavaScript thread.

use std::panic::{AssertUnwindSafe, catch_unwind};

use headwater_base::{Control, Error};
use napi::Env;
use napi::bindgen_prelude::{Function, Object, Unknown};

use crate::admission::{self, Turn};
use crate::cancel::CancelToken;
use crate::environment;
use crate::outcome::{INTERNAL, Outcome};
use crate::pool;
use crate::progress::{self, Arguments};

type Resolver = Box<dyn FnOnce(Env) -> napi::Result<Outcome>>;

/// A progress callback as an entry point receives it.
pub type Callback<'env> = Option<Function<'env, Arguments, Unknown<'static>>>;

/// Queues `work` and returns its promise, which always resolves, and with a tagged outcome.
///
/// Not Node-API's asynchronous work: that would hold `process.exit` and a worker's end until `work` is done, and
/// occupy one of the few threads that file access needs.
pub fn spawn<'env>(
    env: &'env Env,
    token: &CancelToken,
    callback: Callback<'_>,
    threads: usize,
    work: impl FnOnce(Control<'_>) -> Result<Outcome, Error> + Send + 'static,
) -> napi::Result<Object<'env>> {
    let cancel = token.flag();
    let sink = callback.map(progress::sink).transpose()?;
    let registration = environment::register(env, &cancel)?;
    let (deferred, promise) = env.create_deferred::<Outcome, Resolver>()?;
    let limit = match pool::size() {
        Ok(limit) => limit,
        Err(error) => {
            deferred.resolve(Box::new(move |_| Ok(Outcome::Failed(error))));
            return Ok(promise);
        }
    };
    let flag = cancel.clone();
    admission::submit(threads, limit, cancel, move |turn| {
        let (outcome, lent) = match turn {
            Turn::Refused(error) => (Outcome::Failed(error), None),
            Turn::Run(lent) => {
                let control = Control::new(Some(&flag), sink.as_ref().map(|sink| sink as _));
                let ended = catch_unwind(AssertUnwindSafe(|| work(control)));
                let message = lent.panic.take();
                let outcome = match ended {
                    Ok(result) => result.unwrap_or_else(Outcome::Failed),
                    Err(_) => {
                        let message = message.unwrap_or_else(|| "panic without a message".to_string());
                        Outcome::Failed(Error::new(INTERNAL, message))
                    }
                };
                (outcome, Some(lent))
            }
        };
        drop(registration);
        deferred.resolve(Box::new(move |_| Ok(outcome)));
        lent
    });
    Ok(promise)
}
