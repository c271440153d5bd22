//! The one thread that calls candle for a device.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;

use candle_core::{Device, Tensor};
use headwater_linalg::device::Failure;

use crate::failure::{failure, first_line};

type Job = Box<dyn FnOnce(&Device) + Send>;

enum Message {
    Job(Job),
    Stop,
}

/// The thread, and the way to it.
pub struct Worker {
    queue: Sender<Message>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    /// Starts the thread; `open` runs on it.
    pub fn start(name: &str, open: impl FnOnce() -> Result<Device, Failure> + Send + 'static) -> Result<Self, Failure> {
        let (queue, jobs) = channel::<Message>();
        let (opened, first) = channel();
        let run = move || {
            let device = match guarded(open) {
                Ok(device) => device,
                Err(failure) => return drop(opened.send(Err(failure))),
            };
            drop(opened.send(Ok(())));
            while let Ok(Message::Job(job)) = jobs.recv() {
                job(&device);
            }
        };
        let thread = std::thread::Builder::new()
            .name(format!("headwater-{name}"))
            .spawn(run)
            .map_err(|error| Failure::Failed(format!("its thread cannot be started: {error}")))?;
        let started = first.recv().unwrap_or_else(|_| Err(gone()));
        let worker = Self { queue, thread: Some(thread) };
        started.map(|()| worker)
    }

    /// Runs `job` on the thread and waits for it. `bytes` is what it allocates at most at once, for messages.
    pub fn call<T: Send + 'static>(
        &self,
        bytes: u64,
        job: impl FnOnce(&Device) -> candle_core::Result<T> + Send + 'static,
    ) -> Result<T, Failure> {
        let (answer, answered) = channel();
        let work = move |device: &Device| {
            let done = guarded(|| job(device).map_err(|error| failure(&error, bytes)));
            drop(answer.send(done));
        };
        self.queue.send(Message::Job(Box::new(work))).map_err(|_| gone())?;
        answered.recv().unwrap_or_else(|_| Err(gone()))
    }

    /// Keeps a tensor until the result is dropped; its memory is then given back by the thread.
    pub fn keep(&self, tensor: Tensor) -> Kept {
        Kept { tensor: Some(tensor), queue: self.queue.clone() }
    }
}

impl Drop for Worker {
    /// Waits until the device is closed, so that its memory is free when this is over.
    fn drop(&mut self) {
        let _ = self.queue.send(Message::Stop);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A tensor that is dropped by the device's thread.
pub struct Kept {
    tensor: Option<Tensor>,
    queue: Sender<Message>,
}

impl Kept {
    /// The tensor; a clone shares its memory.
    pub fn tensor(&self) -> Tensor {
        self.tensor.clone().expect("there until it is dropped")
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        if let Some(tensor) = self.tensor.take() {
            // Where the device is closed already, it is dropped here.
            let _ = self.queue.send(Message::Job(Box::new(move |_| drop(tensor))));
        }
    }
}

/// A panic of candle or of the driver's bindings is a failure of one call.
fn guarded<T>(work: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string));
        Err(Failure::Failed(first_line(&text.unwrap_or_else(|| "panic without a message".to_string()))))
    })
}

fn gone() -> Failure {
    Failure::Failed("its thread has ended".to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_ends_one_call_and_what_is_kept_outlives_the_thread() {
        let worker = Worker::start("test", || Ok(Device::Cpu)).expect("a thread");
        let panicked = worker.call::<()>(0, |_| panic!("a test of panics"));
        assert_eq!(panicked, Err(Failure::Failed("a test of panics".to_string())));
        let tensor = worker.call(8, |device| Tensor::from_slice(&[1.0], 1, device)).expect("a tensor");
        let kept = worker.keep(tensor);
        drop(worker);
        assert_eq!(kept.tensor().to_vec1::<f64>().expect("numbers"), [1.0]);
    }
}
