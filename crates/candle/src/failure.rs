//! candle's errors as failures of a device.

use headwater_linalg::device::Failure;

/// What the driver calls running out of memory.
const OUT_OF_MEMORY: &str = "CUDA_ERROR_OUT_OF_MEMORY";

/// The failure behind an error of a kernel that asked for `bytes`.
pub fn failure(error: &candle_core::Error, bytes: u64) -> Failure {
    let text = first_line(&error.to_string());
    if text.contains(OUT_OF_MEMORY) || error.to_string().contains(OUT_OF_MEMORY) {
        Failure::OutOfMemory { bytes }
    } else {
        Failure::Failed(text)
    }
}

/// Without the backtrace that candle appends where RUST_BACKTRACE is set.
pub fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or("no message").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn running_out_of_memory_is_told_from_other_failures_and_names_the_size() {
        let error =
            candle_core::Error::Msg("DriverError(CUDA_ERROR_OUT_OF_MEMORY, \"out of memory\")\n  0: main".into());
        assert_eq!(failure(&error, 800), Failure::OutOfMemory { bytes: 800 });
        let told = failure(&error, 3 << 20).into_error("cuda:0");
        assert_eq!(told.code, "device-out-of-memory");
        assert!(told.message.contains("3.0 MiB") && told.limit == Some(f64::from(3 << 20)), "{}", told.message);
        let error = candle_core::Error::Msg("no kernel\n  0: main".into());
        assert_eq!(failure(&error, 1), Failure::Failed("no kernel".to_string()));
    }
}
